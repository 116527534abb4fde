// hookkit: binds every tool call of Pi to the git tree before and after it. Written by `hookkit install pi`, and taken
// away by `hookkit remove pi`.
//
// It tells a hook script of each event, one process each, and where Pi waits, waits until that script has looked at the
// worktree. It changes nothing, prints nothing, returns nothing and never throws: an error here would stop the tool, or
// Pi itself. Every promise resolves, and nothing that it starts keeps Pi from ending.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

const INTERPRETER = {{interpreter}};
const SCRIPT = {{script}};
const PATIENCE = 5000; // milliseconds for an event, with what it waits for; the hook script takes two seconds at most

export default function (pi) {
	let session = {}; // what every event says; read early, as Pi takes its context away while late handlers still run
	let started = 0; // when the newest call was let go: all calls of an answer are announced before the first one runs
	const open = new Map(); // calls that were announced and have no result yet -> their input
	const underway = new Set(); // what is being told and nobody waits for

	function know(ctx) {
		session = {
			session_id: ctx.sessionManager.getSessionId(),
			transcript_path: ctx.sessionManager.getSessionFile(),
			cwd: ctx.cwd,
		};
	}

	// Resolves when the script has ended, or when it had to be killed because the time was over.
	function tell(event, more, until = performance.now() + PATIENCE) {
		return new Promise((done) => {
			try {
				if (process.env.HOOKKIT_DISABLE === "1" || !session.session_id) return done();
				const payload = JSON.stringify({ hook_event_name: event, ...session, ...more });
				const child = spawn(INTERPRETER, ["-I", "-S", SCRIPT], {
					cwd: existsSync(session.cwd) ? session.cwd : "/",
					detached: true, // what ends Pi from outside must not end this
					stdio: ["pipe", "ignore", "ignore"],
				});
				const end = () => {
					clearTimeout(late);
					done();
				};
				const late = setTimeout(() => {
					try {
						child.kill("SIGKILL");
						child.stdin.destroy();
						child.unref();
					} catch {}
					end();
				}, until - performance.now());
				late.unref(); // the child alone is what is waited for
				child.on("error", end);
				child.on("exit", end);
				child.stdin.on("error", () => {}); // the script may end before it has read everything
				child.stdin.end(payload);
			} catch {
				done();
			}
		});
	}

	// Pi does not wait for some of its events: what follows them must.
	function tellAside(event, more) {
		const told = tell(event, more);
		underway.add(told);
		told.then(() => underway.delete(told));
	}

	// Waits for what is under way, until half of the time is over: what takes longer than that is stuck, and the other
	// half belongs to what comes next.
	function settled(until) {
		return new Promise((done) => {
			const late = setTimeout(done, until - PATIENCE / 2 - performance.now());
			late.unref();
			Promise.all(underway).then(() => {
				clearTimeout(late);
				done();
			});
		});
	}

	async function tellAfter(event, more) {
		const until = performance.now() + PATIENCE;
		await settled(until);
		await tell(event, more, until);
	}

	function on(event, handle) {
		try {
			pi.on(event, async (ev, ctx) => {
				try {
					await handle(ev, ctx);
				} catch {}
			});
		} catch {} // a later Pi may not know the event
	}

	on("session_start", (ev, ctx) => {
		know(ctx);
		return tell("session_start", { source: ev.reason, model: ctx.model && `${ctx.model.provider}/${ctx.model.id}` });
	});
	on("before_agent_start", async (ev, ctx) => {
		if (!session.session_id) know(ctx);
		await tellAfter("before_agent_start", { prompt: ev.prompt });
	});
	on("tool_call", async (ev, ctx) => {
		if (!session.session_id) know(ctx);
		open.set(ev.toolCallId, ev.input);
		await tellAfter("tool_call", call(ev));
		started = Date.now();
	});
	on("tool_result", (ev) => {
		const took = open.delete(ev.toolCallId) && started ? Math.max(0, Date.now() - started) : undefined;
		const error = ev.isError ? text(ev.content) : undefined;
		const details = ev.toolName === "edit" ? { diff: ev.details?.diff } : undefined;
		return tell("tool_result", { ...call(ev), is_error: ev.isError, duration_ms: took, error, details });
	});
	on("tool_execution_end", (ev) => {
		if (!open.has(ev.toolCallId)) return; // it has a result, or never began
		const input = open.get(ev.toolCallId);
		open.delete(ev.toolCallId);
		// Another extension said no after us.
		tellAside("tool_execution_end", { ...call({ ...ev, input }), is_error: true, error: text(ev.result?.content) });
	});
	on("session_before_compact", (ev) =>
		tellAfter("session_before_compact", { custom_instructions: ev.customInstructions }),
	);
	on("session_compact", (ev) => tell("session_compact", { compact_summary: ev.compactionEntry?.summary }));
	on("agent_end", (ev) => {
		const last = ev.messages?.at(-1);
		tellAside("agent_end", { stop_reason: last?.stopReason, error: last?.errorMessage });
	});
	on("session_shutdown", (ev) => tellAfter("session_shutdown", { reason: ev.reason }));
}

function call(ev) {
	return { tool_name: ev.toolName, tool_use_id: ev.toolCallId, tool_input: ev.input };
}

function text(content) {
	return Array.isArray(content) ? content.map((part) => part?.text ?? "").join("\n") : undefined;
}
