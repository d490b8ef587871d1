import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { findProgram } from "../../system/run.ts";
import { DEFAULT_SERVER, runningServers, type SshdServer } from "../../system/sshd/running.ts";
import { CONFIGURATION } from "../../system/sshd/settings.ts";
import type { Subject } from "../account.ts";
import { NOT_RUNNING, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { explainServer, NO_PART, type SshdLogin } from "./sshd.ts";

const step = stepsOf("sshd");

const shownOptions = ({ options }: SshdServer): ByteString => display(options.join(" "));

/** A process and how it was started. */
const named = (server: SshdServer): ByteString =>
  `process ${server.pid}${server.options.length === 0 ? "" : ` with the options ${shownOptions(server)}`}`;

/** The steps of a server, with its configuration file and the way in which it was started. */
function stepsWith(server: SshdServer, steps: readonly ReportStep[]): ReportStep[] {
  const { pid, options, file } = server;
  const inFile = (text: ByteString) => text.replaceAll(CONFIGURATION, display(file));
  const elsewhere = options.some((word) => /^-[^f]/.test(word));
  const own = steps.map((one): ReportStep => {
    if (one.stage !== "sshd") return one;
    const option = `if an option of sshd sets it (${shownOptions(server)}), change that and start sshd again`;
    const more = elsewhere && one.outcome === "failed" ? `; ${option}` : "";
    return { ...one, message: inFile(one.message) + more, remedy: inFile(one.remedy) as Remedy };
  });
  if (pid === undefined) {
    const message = "no sshd is running: these are the settings of one that starts now";
    return steps.some(({ outcome }) => outcome === "skipped")
      ? own
      : [step(NOT_RUNNING, "passed", message), ...own];
  }
  return options.length === 0 ? own : [step("server", "passed", `sshd runs as ${named(server)}`), ...own];
}

const isOpen = ({ outcome }: ReportStep) => outcome === "failed" || outcome === "unknown";

/** The part of a login that decides it: two servers with the same one need not be told apart. */
const decisionOf = ({ steps, ...rest }: SshdLogin): string =>
  JSON.stringify([rest, steps.filter(isOpen).map(({ stage, name, outcome }) => [stage, name, outcome])]);

const refuses = ({ steps }: SshdLogin) => steps.some(({ outcome }) => outcome === "failed");

/** One answer for several servers: which of them a client calls is unknown. */
function together(servers: readonly SshdServer[], parts: readonly SshdLogin[]): SshdLogin {
  const [first = NO_PART] = parts;
  if (parts.every(refuses) || new Set(parts.map(decisionOf)).size < 2) return first;
  const shown = parts.find((part) => !refuses(part)) ?? first;
  const all = servers.map(named).join(", ");
  const message = `several sshds run, and a login depends on which of them the client calls: ${all}`;
  return { ...shown, steps: [step("servers", "unknown", message), ...shown.steps] };
}

/**
 * Explains what sshd does before and instead of the login shell, by the settings of the servers that run. Only root can
 * ask. `from`: the client's address, undefined if unknown; `command`: the client's command.
 */
export function explainSshd(
  subject: Subject,
  from: ByteString | undefined,
  command: ByteString | undefined,
): SshdLogin {
  if (!subject.onBehalf) {
    const message = "only root can see the settings of sshd and PAM";
    return { ...NO_PART, steps: [step("settings", "unknown", message)] };
  }
  const sshd = findProgram("sshd");
  const running = sshd === undefined ? [] : runningServers(sshd);
  const servers = running.length === 0 ? [DEFAULT_SERVER] : running;
  const parts = servers.map((server): SshdLogin => {
    if (server.unreadable !== undefined) {
      const message = `the settings of sshd (process ${server.pid}) are unknown: ${server.unreadable}`;
      return { ...NO_PART, steps: [step("server", "unknown", message)] };
    }
    const part = explainServer(subject, server, from, command);
    return { ...part, steps: stepsWith(server, part.steps) };
  });
  return together(servers, parts);
}
