import { writeFileSync } from "node:fs";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { close, openAt } from "../../ffi/files.ts";
import type { BareMachine } from "./bare.ts";
import { machineFiles } from "./files.ts";
import { checkout, helperProgram } from "./helper.ts";
import { resultOf, startProcess } from "./process.ts";
import { defaultPath, encodeRequest, type Ids, type RunOptions, type RunResult } from "./request.ts";
import { type Sshd, type SshdOptions, startSshd } from "./sshd.ts";
import { type Syslog, type SyslogOptions, startSyslog } from "./syslog.ts";
import { type Implementation, type InstallOptions, installTools } from "./tools.ts";

export type { FileOptions } from "./files.ts";
export type { MachineProcess } from "./process.ts";
export type { Ids, RunOptions, RunResult } from "./request.ts";
export type { Sshd } from "./sshd.ts";
export type { LogLine, Syslog } from "./syslog.ts";
export { ensureBuilt, type Implementation, installTools, type Layout, underTest } from "./tools.ts";

/**
 * A machine of one test file: its own files (an overlay of `/`, so that nothing a test does is seen outside),
 * processes, network (lo alone), /proc, /dev, /tmp and /run, and no /dev/log until there is a syslog.
 */
export interface Machine extends BareMachine {
  /** Starts a syslog on /dev/log. */
  startSyslog(options?: SyslogOptions): Promise<Syslog>;
  /** Starts sshd on 127.0.0.1; any account may log in with the key that `sshd.ssh` and the others use. */
  startSshd(options?: SshdOptions): Promise<Sshd>;
  /** Ends the machine and whatever runs in it. */
  close(): Promise<void>;
}

/** Which programs a machine comes with: none are touched where `under` is not given. */
export interface MachineOptions extends InstallOptions {
  under?: Implementation;
}

/**
 * Opens a disposable machine. Needs root. It ends with `close()`, and at the latest when this process does, however
 * it does: the keeper sees its standard input end.
 */
export async function openMachine(options: MachineOptions = {}): Promise<Machine> {
  const program = helperProgram();
  const keeper = Bun.spawn([program, "keep", checkout], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: {},
  });
  const pid = Number(await firstLine(keeper.stdout));
  if (!(pid > 0)) {
    await keeper.exited;
    throw new Error(`no machine: ${(await new Response(keeper.stderr).text()).trim()}`);
  }
  const root = openAt(C.AT_FDCWD, `/proc/${pid}/root`, C.O_PATH | C.O_DIRECTORY);
  const files = machineFiles(root);
  // in the machine, so that it goes with it
  files.mkdir("/run/machine", { mode: 0o700 });
  let requests = 0;
  let open = true;

  function which(name: ByteString): ByteString {
    if (name.includes("/")) return name;
    for (const folder of defaultPath.split(":"))
      if (files.stat(`${folder}/${name}`, true) !== undefined) return `${folder}/${name}`;
    throw new Error(`${name}: not in the machine`);
  }

  function ids(name: string): Required<Ids> {
    const entry = table("/etc/passwd").find((fields) => fields[0] === name);
    if (entry === undefined) throw new Error(`${name}: no such user in the machine`);
    const gid = Number(entry[3]);
    const groups = table("/etc/group")
      .filter((fields) => fields[3]?.split(",").includes(name))
      .map((fields) => Number(fields[2]));
    return { uid: Number(entry[2]), gid, groups: [...new Set([gid, ...groups])] };
  }

  const table = (path: ByteString) =>
    files
      .read(path)
      .split("\n")
      .map((line) => line.split(":"));

  /** The command line, outside, that runs `argv` inside. */
  function command(argv: readonly ByteString[], options: RunOptions): string[] {
    if (!open) throw new Error("the machine is closed");
    const { user = { uid: 0, gid: 0 }, path, argv0 } = options;
    const who = typeof user === "string" ? ids(user) : { ...user, groups: user.groups ?? [user.gid] };
    const words = argv0 === undefined ? argv : [argv0, ...argv.slice(1)];
    const request = `/proc/${pid}/root/run/machine/${requests++}`;
    writeFileSync(request, encodeRequest(path ?? which(argv[0] ?? ""), words, who, options), { mode: 0o600 });
    return [program, "enter", String(pid), request];
  }

  function run(argv: readonly ByteString[], options: RunOptions = {}): RunResult {
    const { stdin, timeout = 120_000 } = options;
    const done = Bun.spawnSync(command(argv, options), {
      stdin: typeof stdin === "string" ? Buffer.from(stdin, "latin1") : (stdin ?? "ignore"),
      env: {},
      timeout,
    });
    if (done.exitedDueToTimeout) throw new Error(`${argv.join(" ")}: still running after ${timeout} ms`);
    return resultOf(done.exitCode, done.signalCode, done.stdout, done.stderr);
  }

  function must(argv: readonly ByteString[], options: RunOptions = {}): RunResult {
    const result = run(argv, options);
    if (result.status !== 0)
      throw new Error(`${argv.join(" ")}: status ${result.status}: ${result.stderr}${result.stdout}`);
    return result;
  }

  function time(argv: readonly ByteString[], options: RunOptions = {}) {
    const { stdout } = must(argv, { ...options, timed: true });
    const at = stdout.lastIndexOf("\n");
    const [start = 0, end = 0] = stdout
      .slice(at + 1)
      .split(" ")
      .map(Number);
    return { start, end, stdout: stdout.slice(0, at) };
  }

  const machine: Machine = {
    ...files,
    pid,
    run,
    must,
    time,
    ids,
    start: (argv, options = {}) => startProcess(command(argv, options), options),
    addUser(name, { uid, gid, groups, home, createHome, shell } = {}) {
      const given = (option: string, value: string | number | undefined) =>
        value === undefined ? [] : [option, String(value)];
      must([
        "useradd",
        ...["-p", "*", createHome ? "-m" : "-M", gid === undefined ? "-U" : "-N"],
        ...given("-u", uid),
        ...given("-g", gid),
        ...given("-G", groups?.join(",")),
        ...given("-d", home),
        ...given("-s", shell ?? "/bin/sh"),
        name,
      ]);
      return ids(name);
    },
    startSyslog: (options) => startSyslog(machine, options),
    startSshd: (options) => startSshd(machine, options),
    async close() {
      if (!open) return;
      open = false;
      close(root);
      keeper.stdin.end();
      await keeper.exited;
    },
  };
  // Whether libpam-systemd is on this machine is not to matter: a login that starts a manager of its own is a test's to ask for.
  const sessions = "/etc/pam.d/common-session";
  if (machine.exists(sessions))
    machine.write(sessions, machine.read(sessions).replace(/^.*pam_systemd\.so.*\n/gm, ""));
  // Nor what root's shell there does when it starts, for each command by ssh: /usr/share/base-files has that of a new machine.
  for (const name of ["bashrc", "profile"]) {
    const usual = `/usr/share/base-files/dot.${name}`;
    if (machine.exists(usual)) machine.write(`/root/.${name}`, machine.read(usual));
  }
  // Nothing is fetched: apt-get(8) would read each time what all could be.
  for (const name of ["sources.list", "sources.list.d"]) machine.remove(`/etc/apt/${name}`);
  // Where a test makes a repository of its own, as autopkgtest(1) does.
  machine.mkdir("/etc/apt/sources.list.d");
  if (options.under !== undefined) installTools(machine, options.under, options);
  return machine;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder("latin1");
  for await (const chunk of stream) {
    text += decoder.decode(chunk);
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}
