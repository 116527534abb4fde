// hookkit: binds every tool call of OpenCode to the git tree before and after it. Written by `hookkit install opencode`,
// and taken away by `hookkit remove opencode`.
//
// It tells a hook script of each event, one process each, and where OpenCode waits, waits until that script has looked
// at the worktree. It changes nothing, prints nothing, returns nothing and never throws: an error here would stop the
// tool, or OpenCode itself. Every promise resolves, as OpenCode waits for ever.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

const INTERPRETER = {{interpreter}};
const SCRIPT = {{script}};
const PATIENCE = 5000; // milliseconds for an event, with what it waits for; the hook script takes two seconds at most

export default async (ctx) => {
	const parents = new Map(); // session of a subagent -> session whose call started it
	const known = new Set(); // sessions that were told to begin
	const busy = new Set(); // sessions whose turn goes on
	const open = new Map(); // calls that were announced and have no result yet -> [when they were let go, tool, input]
	const named = new Map(); // part -> its call, where OpenCode names the part for the call
	const underway = new Set(); // what is being told and nobody waits for

	// Whose event it is: of a session, or of a subagent of it.
	function whose(id) {
		let root = id;
		for (let depth = 0; depth < 100 && parents.has(root); depth++) root = parents.get(root);
		return root === id ? { session_id: id } : { session_id: root, agent_id: id };
	}

	// Resolves when the script has ended, or when it had to be killed because the time was over.
	function tell(event, id, more, until = performance.now() + PATIENCE) {
		return new Promise((done) => {
			try {
				if (process.env.HOOKKIT_DISABLE === "1" || typeof id !== "string" || !id) return done();
				const cwd = ctx.directory;
				const payload = JSON.stringify({ hook_event_name: event, ...whose(id), cwd, ...more });
				const child = spawn(INTERPRETER, ["-I", "-S", SCRIPT], {
					cwd: existsSync(cwd) ? cwd : "/",
					detached: true, // what ends OpenCode must not end this
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

	// OpenCode does not wait for events: what follows them must.
	function tellAside(event, id, more) {
		const told = tell(event, id, more);
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

	function begin(id, source, agent) {
		if (!id || known.has(id)) return;
		known.add(id);
		tellAside("session.created", id, { source, agent_type: parents.has(id) ? agent : undefined });
	}

	const hears = {
		"session.created": ({ info }) => {
			if (info?.parentID) parents.set(info.id, info.parentID);
			begin(info?.id, "startup", info?.agent);
		},
		"session.updated": ({ info }) => {
			if (info?.parentID) parents.set(info.id, info.parentID);
		},
		"session.status": ({ sessionID, status }) => {
			if (status?.type === "busy") busy.add(sessionID);
		},
		// It comes twice after a turn that failed.
		"session.idle": ({ sessionID }) => {
			if (busy.delete(sessionID)) tellAside("session.idle", sessionID);
		},
		"session.error": ({ sessionID, error }) => {
			if (!busy.delete(sessionID)) return;
			tellAside("session.error", sessionID, { error: error?.data?.message ?? error?.name });
		},
		"session.compacted": ({ sessionID }) => tellAside("session.compacted", sessionID),
		"message.part.updated": ({ part }) => {
			if (part?.type !== "tool") return;
			const child = part.state?.metadata?.sessionId;
			if (part.tool === "task" && child && child !== part.sessionID) parents.set(child, part.sessionID);
			if (part.state?.status === "pending" || part.state?.status === "running") named.set(part.id, part.callID);
			else named.delete(part.id);
			const key = `${part.sessionID} ${part.callID}`;
			if (part.state?.status !== "error" || !open.has(key)) return; // it has a result, or never began
			const [since, tool, input] = open.get(key);
			open.delete(key);
			const call = { tool_name: tool, tool_use_id: part.callID, tool_input: input };
			const duration_ms = since ? Math.max(0, Date.now() - since) : undefined;
			tellAside("message.part.updated", part.sessionID, { ...call, duration_ms, error: part.state.error });
		},
	};

	// What OpenCode waits for: first what nobody waited for, then this.
	function waits(handle) {
		return async (input, output) => {
			try {
				const until = performance.now() + PATIENCE;
				await settled(until);
				await handle(input, output, until);
			} catch {}
		};
	}

	return {
		event: async (given) => {
			try {
				hears[given.event.type]?.(given.event.properties);
			} catch {}
		},
		"chat.message": waits(async ({ sessionID, agent }, { parts }, until) => {
			begin(sessionID, "resume", agent);
			await settled(until);
			const texts = parts.filter((part) => part.type === "text" && !part.synthetic).map((part) => part.text);
			if (!parents.has(sessionID)) await tell("chat.message", sessionID, { prompt: texts.join("\n") }, until);
		}),
		"chat.params": waits(() => {}), // a call that failed is looked at before the model goes on
		"tool.execute.before": waits(async ({ tool, sessionID, callID }, { args }, until) => {
			const id = named.get(callID) ?? callID;
			if (tool === "task" && args?.task_id && args.task_id !== sessionID) parents.set(args.task_id, sessionID);
			const call = [0, tool, args];
			open.set(`${sessionID} ${id}`, call);
			await tell("tool.execute.before", sessionID, { tool_name: tool, tool_use_id: id, tool_input: args }, until);
			call[0] = Date.now();
		}),
		"tool.execute.after": async (input, output) => {
			try {
				const { tool, sessionID, callID, args } = input;
				const id = named.get(callID) ?? callID;
				const since = open.get(`${sessionID} ${id}`)?.[0];
				open.delete(`${sessionID} ${id}`);
				const call = { tool_name: tool, tool_use_id: id, tool_input: args };
				const duration_ms = since ? Math.max(0, Date.now() - since) : undefined;
				await tell("tool.execute.after", sessionID, { ...call, duration_ms, result: result(tool, output?.metadata) });
			} catch {}
		},
		"experimental.session.compacting": waits(({ sessionID }, _, until) =>
			tell("experimental.session.compacting", sessionID, {}, until),
		),
		dispose: waits((_, __, until) => {
			const ended = [...known].filter((id) => !parents.has(id));
			return Promise.all(ended.map((id) => tell("dispose", id, { reason: "dispose" }, until)));
		}),
	};
};

// What of a result says what was done.
function result(tool, metadata) {
	if (tool === "edit") return { diff: metadata?.diff };
	if (tool === "apply_patch") return { files: metadata?.files };
	if (tool === "bash" && metadata && "exit" in metadata) return { exit: metadata.exit };
}
