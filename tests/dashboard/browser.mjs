// Opens the pages in Chromium and prints what it saw, as JSON. Given: a JSON object as the only argument.

import { createRequire } from "node:module";

const asked = JSON.parse(process.argv[2]);
const { chromium } = createRequire(asked.modules + "/")("playwright-core");

const browser = await chromium.launch({
  executablePath: asked.browser,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

const seen = { console: [], requests: [], wide: [], steps: {} };

async function open(viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // A busy machine fails nothing.
  page.on("console", (message) => seen.console.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => seen.console.push(`error: ${error.message}`));
  page.on("request", (request) => seen.requests.push(request.url()));
  return page;
}

// ---- pictures, at desktop and phone width, light and dark

const looks = {
  desktop: [{ width: 1360, height: 850 }, "light"],
  phone: [{ width: 390, height: 844 }, "light"],
  dark: [{ width: 1360, height: 850 }, "dark"],
};
for (const [name, [viewport, scheme]] of Object.entries(looks)) {
  const page = await open(viewport, scheme);
  let number = 0;
  for (const path of asked.paths) {
    await page.goto(asked.address + path);
    await page.locator("main").waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) seen.wide.push(`${name} ${path} ${over}`);
    if (asked.pictures) await page.screenshot({ path: `${asked.pictures}/${name}-${number++}.png`, fullPage: true });
  }
  seen.steps[`${name} paper`] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.context().close();
}

// ---- by keyboard alone: from the list to a call's diff, and to who wrote a file's lines

const page = await open({ width: 1360, height: 850 }, "light");
const focus = () => page.evaluate(() => document.activeElement.textContent.trim().slice(0, 200));
const ring = () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
async function arrive(address) {
  // The button for the keys shows up once the script listens to them.
  await page.waitForURL(address, { waitUntil: "commit" });
  await page.locator("#keys").waitFor();
}
await page.goto(asked.address + "/");
await page.keyboard.press("Tab");
seen.steps.first = await focus();
await page.keyboard.press("/");
await page.keyboard.type("retry");
await page.keyboard.press("Enter");
await arrive(/q=retry/);
await page.keyboard.press("j");
seen.steps.row = await focus();
seen.steps.ring = await ring();
await page.keyboard.press("Enter");
await arrive(/sessions/);
await page.keyboard.press("J");
seen.steps.prompt = await focus();
await page.keyboard.press("e");
seen.steps.error = await focus();
await page.keyboard.press("K");
for (let press = 0; press < 60; press++) {
  await page.keyboard.press("j");
  if ((await focus()).includes("app.py")) break;
}
seen.steps.call = await focus();
await page.keyboard.press("Enter");
await page.locator("details[open] .diff .added").first().waitFor();
seen.steps.inside = await page.locator("details[open] .inside .diff").first().textContent();
await page.keyboard.press("b");
await arrive(/blame/);
seen.steps.blame = await page.locator(".blame").textContent();
await page.goBack();
await page.keyboard.press("?");
seen.steps.help = await page.locator("dialog[open] h2").textContent();
await page.keyboard.press("Escape");
seen.steps.closed = await page.locator("dialog[open]").count();

// ---- everything is reachable by Tab

await page.goto(asked.address + asked.paths[1]);
const reached = new Set();
for (let press = 0; press < 400; press++) {
  await page.keyboard.press("Tab");
  const at = await page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
    return all.indexOf(document.activeElement);
  });
  if (at < 0 || reached.has(at)) break;
  reached.add(at);
}
seen.steps.unreached = await page.evaluate((reached) => {
  const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
  const shown = (element) => element.checkVisibility();
  return all.filter((element, at) => shown(element) && !reached.includes(at)).map((element) => element.outerHTML);
}, [...reached]);

// ---- live: what arrives is there without a reload; a pause holds it back

await page.goto(asked.address + "/live");
await page.locator("#state", { hasText: "live" }).waitFor();
await page.keyboard.press("p");
const send = (body) =>
  fetch(asked.receiver + "/v1/logs", { method: "POST", body, headers: { "Content-Type": "application/json" } });
await send(asked.events[0]);
await page.locator("#state", { hasText: "paused, 1 more" }).waitFor();
seen.steps.paused = await page.locator("#feed li").count();
await page.keyboard.press("p");
await page.locator("#feed li").first().waitFor();
seen.steps.fed = await page.locator("#feed li").first().textContent();
await page.goto(asked.address + "/");
const rows = await page.locator("#list tbody tr").count();
await send(asked.events[1]);
await page.locator("#list tbody tr").nth(rows).waitFor();
seen.steps.arrived = (await page.locator("#list tbody tr").count()) - rows;

await browser.close();
console.log(JSON.stringify(seen));
