// Keys, parts that load when they are opened, and live updates. Without it every page still works by links.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const typing = (target) => target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

// ---- keys

function visible(element) {
  return element.getClientRects().length > 0;
}

function move(selector, by, from = document.activeElement) {
  const rows = all(selector).filter(visible);
  if (!rows.length) return;
  let at = rows.indexOf(from);
  if (at < 0) {
    // Not on a row: go on from where the focus is, or from what is on the screen.
    const after = (row) =>
      from && from !== document.body
        ? from.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING
        : row.getBoundingClientRect().bottom > 0;
    const next = rows.findIndex(after);
    at = by > 0 ? (next < 0 ? rows.length : next) - 1 : next < 0 ? rows.length : next;
  }
  const row = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

function nearby(selector) {
  const focus = document.activeElement;
  const found = focus?.closest("details, li, tr, article, main");
  return focus?.matches(selector) ? focus : (found && one(selector, found)) || one(selector);
}

const keys = {
  j: () => move("[data-row]", 1),
  k: () => move("[data-row]", -1),
  J: () => move("[data-prompt]", 1),
  K: () => move("[data-prompt]", -1),
  e: () => move("[data-error] [data-row]", 1),
  d: () => {
    const row = document.activeElement?.closest("[data-diff]");
    if (row) location.assign(row.dataset.diff);
  },
  b: () => nearby("[data-blame]")?.click(),
  p: () => one("#pause")?.click(),
  "/": () => one("input[type=search]")?.select(),
  "?": () => one("#help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (one("dialog[open]") || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

const button = one("#keys");
button.hidden = false;
button.addEventListener("click", keys["?"]);

// ---- what loads when it is opened

async function load(details) {
  const place = one(".inside", details);
  const address = details.dataset.fragment;
  delete details.dataset.fragment;
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    place.innerHTML = await answer.text(); // of this very server, where everything is escaped
    ready(place);
  } catch {
    details.dataset.fragment = address; // the link that was there stays; opening it again tries again
  }
  place.removeAttribute("aria-busy");
}

document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.open && event.target.dataset?.fragment) load(event.target);
  },
  true,
);

function ready(root) {
  for (const copy of all("[data-copy]", root)) {
    copy.hidden = !navigator.clipboard;
    copy.onclick = async () => {
      await navigator.clipboard.writeText(copy.dataset.copy);
      copy.textContent = "copied";
    };
  }
}
ready(document);

function openTarget() {
  // A link to a row of a closed part: open what it is in.
  const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (let up = target?.closest("details"); up; up = up.parentElement?.closest("details")) {
    if (one(":scope > summary", up) !== target) up.open = true;
  }
  if (target?.matches("[data-row], [data-prompt]")) target.focus({ preventScroll: false });
}
addEventListener("hashchange", openTarget);
openTarget();

// ---- live

// Calls `tell(kind, body)` for what happens. Reads a stream; asks again and again where there is none to be had.
function listen(agent, session, position, tell, say = () => {}) {
  let source, timer, last = position;
  const query = () => new URLSearchParams({ ...(session && { session }), ...(last && { after: last }) });
  const name = agent === "all" ? "event" : `${agent}-event`;
  const take = (kind) => (event) => {
    if (event.lastEventId) last = event.lastEventId;
    tell(kind, JSON.parse(event.data));
  };
  async function poll() {
    try {
      const answer = await (await fetch(`/api/v1/${agent}/events?${query()}`)).json();
      last = answer.next ?? last;
      for (const body of answer.items ?? []) tell("event", body);
      say("polling");
    } catch {
      say("the server does not answer");
    }
    timer = setTimeout(poll, 3000);
  }
  function start() {
    stop();
    if (!window.EventSource) return poll();
    source = new EventSource(`/api/v1/${agent}/live?${query()}`);
    source.addEventListener("connected", (event) => {
      last ||= String(JSON.parse(event.data).position);
      say("live");
    });
    source.addEventListener(name, take("event"));
    source.addEventListener("session", take("session"));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) poll(); // refused: there are enough listeners
      else say("connecting");
    };
  }
  function stop() {
    source?.close();
    clearTimeout(timer);
  }
  // Browsers have few connections to a server: a page that nobody sees holds none.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  addEventListener("pagehide", stop);
  if (!document.hidden) start();
}

// Parts of a page that are made anew when something happened.
async function refresh() {
  const text = await (await fetch(location.href)).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const [before, after] = [all("[data-live]"), all("[data-live]", fresh)];
  const focus = document.activeElement?.id;
  if (before.length === after.length && before.every((part, at) => part.tagName === after[at].tagName)) {
    before.forEach((part, at) => part.replaceWith(after[at]));
  } else {
    one("main").replaceWith(one("main", fresh));
  }
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

if (one("[data-live]")) {
  let waiting = 0;
  listen("all", "", "", () => {
    waiting ||= setTimeout(() => {
      waiting = 0;
      refresh().catch(() => {});
    }, 1500);
  });
}

const news = one("#news");
if (news) listen(news.dataset.agent, news.dataset.session, "", () => (news.hidden = false));

const feed = one("#feed");
if (feed) {
  const [state, pause, quiet, kept] = [one("#state"), one("#pause"), one("#quiet"), []];
  let paused = false;
  const cell = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text ?? "";
    if (name) made.className = name;
    return made;
  };
  const show = ([kind, body]) => {
    const row = document.createElement("li");
    const time = new Date(body.timestamp ?? body.lastActivityTime ?? Date.now());
    const failed = body.success === false || body.error;
    const link = document.createElement("a");
    link.href = `/sessions/${encodeURIComponent(body.traceId ?? body.sessionId)}`;
    link.dataset.row = "";
    link.textContent = kind === "session" ? body.title ?? "session" : body.eventName;
    const parts = [body.toolName, body.model, body.decision].filter(Boolean).join(" ");
    const numbers = [
      body.durationMs != null && kind === "event" && `${Math.round(body.durationMs)} ms`,
      body.costUsd != null && `$${body.costUsd.toFixed(4)}`,
      body.outputTokens != null && `${body.outputTokens} out`,
      kind === "session" && `${body.totalToolCalls} calls`,
    ].filter(Boolean);
    row.append(
      cell("time", time.toLocaleTimeString([], { hour12: false })), cell("b", body.agent), link,
      cell("span", parts), cell("span", numbers.join(" · "), "meta"), cell("span", failed ? body.error || "failed" : "", "bad"),
    );
    feed.prepend(row);
    while (feed.children.length > 500) feed.lastElementChild.remove();
    quiet.hidden = true;
  };
  const tell = () => (state.textContent = paused ? `paused, ${kept.length} more` : state.dataset.said ?? "");
  pause.hidden = false;
  pause.onclick = () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", paused);
    if (!paused) kept.splice(0).forEach(show);
    tell();
  };
  listen(
    "all", "", feed.dataset.position,
    (kind, body) => {
      if (!paused) return show([kind, body]);
      kept.push([kind, body]);
      if (kept.length > 5000) kept.shift();
      tell();
    },
    (said) => {
      state.dataset.said = said;
      tell();
    },
  );
}
