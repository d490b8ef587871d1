import type { ByteString } from "../../../ffi/bytes.ts";
import { O_PATH, S_IFDIR, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat } from "../../../ffi/files.ts";
import { baseName, directoryOf, normalPath } from "../../../ffi/paths.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { hasFilters } from "../../../ffi/seccomp.ts";
import { quoted } from "../../cli/display.ts";
import type { Advice } from "../../cli/remedy.ts";
import type { Limit } from "../../config/confine-values.ts";
import { AccessView } from "../../confine/access-view.ts";
import { canLimitExecution } from "../../confine/execute.ts";
import { withFileBelow } from "../../confine/execute-view.ts";
import { whyWithoutRule } from "../../confine/named-file.ts";
import type { Confinement } from "../../confine/policy.ts";
import { networkNeed, type PathOperand, pathOperands } from "../../known-programs/operands.ts";
import { addressSpaceOf } from "../../libraries/address-space.ts";
import { executedFiles } from "../../libraries/closure.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { closedAt } from "./closed-places.ts";

/** A program, and its arguments without its name. */
export interface Command {
  path: ByteString;
  args: readonly ByteString[];
}

/** A session that is confined, and what it starts. */
export interface ConfinedCommand {
  stage: ReportStep["stage"];
  root: ByteString;
  rootFd: number;
  confinement: Confinement;
  /** What is executed; undefined if that is another step's. */
  program: Command | undefined;
  /** Where it starts, and what `~` is. */
  directory: ByteString;
  home: ByteString;
  /** What to write for these lines, each `key = value`. */
  adviceFor: (lines: readonly ByteString[]) => Advice;
}

const MIB = 2 ** 20;
// Standard input, output and error, and a library.
const DESCRIPTORS = 4;

/**
 * Memory with which a shell starts, and a program from it, as `jailkit config check` has it: bytes, and what to write. Below, it
 * depends on the program, and on its arguments and environment.
 */
const MEMORY: Readonly<Record<string, { enough: number; shown: string; usual: string }>> = {
  data: { enough: 512 << 10, shown: "data 512K", usual: "data 2G" },
  stack: { enough: 64 << 10, shown: "stack 64K", usual: "stack 8M" },
};

const SHELLS = ["sh", "bash", "dash"];

// As a session has them, and as root may add them with the key env.
const PROGRAMS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Whether a program of a command line is there: nothing stops one that is not. */
function isThere(rootFd: number, path: ByteString): boolean {
  const places = path.includes("/") ? [path] : PROGRAMS.map((directory) => `${directory}/${path}`);
  return places.some((place) => !place.startsWith("/") || typeOf(rootFd, place) === S_IFREG);
}

/**
 * The command that a program runs: its own, or for `sh -c LINE` that of the line; undefined if the line is more than a
 * command with plain words, or its program is not there.
 */
function commandOf({ program, home, rootFd }: ConfinedCommand): Command | undefined {
  if (program === undefined || !SHELLS.includes(baseName(program.path))) return program;
  const [option, line = "", ...more] = program.args;
  if (option !== "-c" || more.length > 0 || !/^[\w@%+=:,./ ~-]+$/.test(line)) return undefined;
  const [path = "", ...args] = line.split(" ").filter((word) => word !== "");
  if (/[=~]/.test(path) || path === "" || !isThere(rootFd, path)) return undefined;
  // Names of other users' homes stay as they are, which is a path that is not there.
  return { path, args: args.map((word) => (/^~(?:\/|$)/.test(word) ? home + word.slice(1) : word)) };
}

/** Explains what the kernel stops of a command, as far as that is certain: it starts, and fails. */
export function stoppedSteps(confined: ConfinedCommand): ReportStep[] {
  const command = commandOf(confined);
  return [...limitSteps(confined), ...pathSteps(confined, command), ...networkSteps(confined, command)];
}

const shownLimit = ({ name, value }: Limit) => `${name} ${value}`;

/** Limits with which the program cannot start, or do what most do. */
function limitSteps({ stage, root, confinement, program, adviceFor }: ConfinedCommand): ReportStep[] {
  const { limits, write } = confinement;
  const step = stepsOf(stage);
  const of = (name: string) => limits.find((one) => one.name === name)?.value ?? Number.POSITIVE_INFINITY;
  const steps: ReportStep[] = [];
  const lines = (name: string, usual: string) => {
    const all = limits.map((one) => (one.name === name ? usual : shownLimit(one)));
    return adviceFor([`limits = ${all.join(", ")}`]);
  };
  if (program !== undefined) {
    const { path } = program;
    const [needed, linked] = withRightsOf(undefined, () => [
      addressSpaceOf(root, path),
      executedFiles(root, path).length > 0,
    ]);
    if (needed !== undefined && of("as") < needed) {
      const message = `${path} takes ${(needed / MIB).toFixed(1)} MiB of address space with its libraries, and limits gives it ${of("as")} bytes`;
      steps.push(step("limits", "failed", message, lines("as", "as 4G")));
    }
    if (linked && of("nofile") < DESCRIPTORS) {
      const message = `${path} cannot open its libraries: limits = nofile ${of("nofile")} leaves no descriptor beside standard input, output and error`;
      steps.push(step("limits", "failed", message, lines("nofile", "nofile 256"), 127));
    }
    const low = limits.filter(({ name, value }) => linked && value < (MEMORY[name]?.enough ?? 0));
    if (low.length > 0) {
      const given = low.map(shownLimit).join(", ");
      const enough = low.map(({ name }) => MEMORY[name]?.shown).join(", ");
      const message = `limits = ${given} may be too low for ${path} to start; a shell starts with ${enough}`;
      const all = limits.map((one) => (low.includes(one) && MEMORY[one.name]?.usual) || shownLimit(one));
      steps.push(step("limits", "unknown", message, adviceFor([`limits = ${all.join(", ")}`])));
    }
  }
  if (of("nproc") < 2) {
    const message = `limits = nproc ${of("nproc")}: no program of the session can start another process, or a thread`;
    steps.push(step("limits", "warned", message, lines("nproc", "nproc 64")));
  }
  if (of("fsize") < 1 && !(write !== "all" && write.length === 0)) {
    const message = "limits = fsize 0: nothing can be written to a file";
    steps.push(step("limits", "warned", message, lines("fsize", "fsize 2G")));
  }
  return steps;
}

/** The type of a file below the root; undefined for none. */
const typeOf = (rootFd: number, path: ByteString): number | undefined =>
  withFileBelow(rootFd, path, O_PATH, (fd) => fstat(fd).mode & S_IFMT);

/** A path that a command may not use: what fails, and what the key would have to name. */
interface Stopped {
  verb: string;
  key: "read" | "write";
  place: ByteString;
}

function stoppedAt(rootFd: number, view: AccessView, { path, use }: PathOperand): Stopped | undefined {
  const type = typeOf(rootFd, path);
  const real = type === undefined ? undefined : view.real(path);
  if (use === "read" || use === "list" || use === "take") {
    const wanted = use === "read" ? S_IFREG : use === "list" ? S_IFDIR : type;
    if (real === undefined || type !== wanted || view.mayRead(real)) return undefined;
    return { verb: "read", key: "read", place: real };
  }
  if (use === "remove") {
    const place = view.realPlace(path);
    if (real === undefined || place === undefined || view.mayWrite(directoryOf(place))) return undefined;
    return { verb: "remove", key: "write", place: directoryOf(place) };
  }
  if (real === undefined) {
    const place = view.realPlace(path);
    if (place === undefined || type !== undefined || view.mayWrite(directoryOf(place))) return undefined;
    return { verb: "create", key: "write", place: directoryOf(place) };
  }
  if (use !== "put" || view.mayWrite(real)) return undefined;
  return { verb: "write", key: "write", place: real };
}

/** A path that can be one item of a list. */
const isItem = (path: ByteString) => /^\/[\w@+=:.~/-]*$/.test(path);

/** Paths of the keys that do not count, and those of the command that the keys do not allow. */
function pathSteps(
  { stage, root, rootFd, confinement, program, directory, adviceFor }: ConfinedCommand,
  command: Command | undefined,
): ReportStep[] {
  const { read, write } = confinement;
  if ((read === "all" && write === "all") || attempt(canLimitExecution) !== true) return [];
  const step = stepsOf(stage);
  const view = attempt(() => new AccessView(rootFd, root, confinement, program?.path));
  if (view === undefined) return [];
  const useless = view.useless.filter(({ key, path }) => closedAt(rootFd, path, key) === undefined);
  const steps: ReportStep[] = useless.map(({ key, path, why }) =>
    step("paths", "warned", `${key} = ${path} allows nothing: ${why}`),
  );
  const given = { read: read === "all" ? [] : read, write: write === "all" ? [] : write };
  for (const { path, use } of command === undefined
    ? []
    : pathOperands(baseName(command.path), command.args)) {
    const absolute = normalPath(path.startsWith("/") ? path : `${directory}/${path}`);
    const stopped = stoppedAt(rootFd, view, { path: absolute, use });
    if (stopped === undefined) continue;
    const { verb, key, place } = stopped;
    const message = `${command?.path} may not ${verb} ${quoted(absolute)}: ${key} allows ${given[key].join(", ") || "none"}`;
    const counts = () => whyWithoutRule(root, place, key === "read" && write === "all") === undefined;
    const isFree = isItem(place) && place !== "/" && attempt(counts) === true;
    const wanted = isFree ? adviceFor([`${key} = ${[...given[key], place].join(", ")}`]) : "";
    steps.push(step("paths", "warned", message, wanted));
  }
  return steps;
}

/** A command that needs the network, where there is none. */
function networkSteps(
  { stage, confinement, adviceFor }: ConfinedCommand,
  command: Command | undefined,
): ReportStep[] {
  const need = command && networkNeed(baseName(command.path), command.args);
  if (command === undefined || need === undefined || !hasFilters()) return [];
  const { network, tcpConnect } = confinement;
  const step = stepsOf(stage);
  if (network !== "all") {
    const message = `${command.path} needs sockets of the network, and network = ${network} refuses them`;
    return [step("network", "warned", message, adviceFor(["network = all"]))];
  }
  const { port } = need;
  if (tcpConnect === "all" || port === undefined || tcpConnect.includes(port)) return [];
  const message = `${command.path} connects to TCP port ${port}, and tcp_connect allows ${tcpConnect.join(", ") || "none"}`;
  return [
    step("network", "warned", message, adviceFor([`tcp_connect = ${[...tcpConnect, port].join(", ")}`])),
  ];
}
