import { type ByteString, cString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { SIGKILL } from "../../../ffi/constants.ts";
import { close, fstat, readAt } from "../../../ffi/files.ts";
import { addressOf, check, libc, syscall } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { SmokeStep } from "./table.ts";

/** The user who runs a test. */
export interface Account {
  readonly name: ByteString;
  readonly uid: number;
  readonly gid: number;
  /** The jail's passwd has it. */
  readonly inJail: boolean;
}

const TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT = 1 << 16;
const SYS_memfd_create = process.arch === "arm64" ? 279 : 319;

/**
 * Runs a program of the jail as an ordinary user, by `launcher`, which is chroot(1); returns the reason if it failed,
 * printable. Ids are numbers, so that root looks up no names in the jail.
 */
export async function runStep(
  root: JailRoot,
  launcher: ByteString,
  program: ByteString,
  step: SmokeStep,
  directory: ByteString,
  account: Account,
): Promise<string | undefined> {
  const { uid, gid } = account;
  const words = step.words.map((word) => word.replaceAll("{dir}", directory));
  const user = [`--userspec=+${uid}:+${gid}`, `--groups=+${gid}`];
  const command = [launcher, ...user, "--", asText(root.path), program, ...words];
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: directory,
    USER: asText(account.name),
    LOGNAME: asText(account.name),
    TERM: "xterm",
    LC_ALL: "C",
  };
  const stdout = memoryFile();
  const stderr = memoryFile();
  const common = { env, cwd: "/", stderr, detached: true, timeout: TIMEOUT_MS, killSignal: SIGKILL };
  try {
    if (step.answers) {
      const child = Bun.spawn(command, { ...common, stdin: "pipe", stdout: "pipe" });
      child.stdin.write(toBytes(step.stdin ?? ""));
      child.stdin.flush();
      const answer = answerOf(child.stdout, step.stdout ?? /^/);
      await Promise.race([answer.seen, child.exited]);
      child.stdin.end();
      return complaint(program, words, step, await ended(child, () => answer.text(), stderr));
    }
    const child = Bun.spawn(command, {
      ...common,
      stdin: step.stdin === undefined ? "ignore" : toBytes(step.stdin),
      // Files, not pipes: a background process would keep a pipe open.
      stdout,
    });
    return complaint(program, words, step, await ended(child, () => contentsOf(stdout), stderr));
  } finally {
    close(stdout);
    close(stderr);
  }
}

interface Ended {
  status: string;
  stdout: ByteString;
  stderr: ByteString;
}

type Child = Pick<Bun.Subprocess, "exited" | "pid" | "signalCode">;

async function ended(child: Child, stdout: () => ByteString, stderr: number): Promise<Ended> {
  const status = await child.exited;
  // Ends background processes of its session.
  libc.kill(-child.pid, SIGKILL);
  return {
    status: child.signalCode === null ? String(status) : String(child.signalCode),
    stdout: stdout(),
    stderr: contentsOf(stderr),
  };
}

function answerOf(stream: ReadableStream<Uint8Array>, expected: RegExp) {
  let text: ByteString = "";
  async function read(): Promise<void> {
    for await (const chunk of stream) {
      text += fromBytes(chunk);
      if (expected.test(text) || text.length > OUTPUT_LIMIT) return;
    }
  }
  return { seen: read(), text: () => text };
}

function complaint(
  program: ByteString,
  words: readonly ByteString[],
  { status = 0, stdout }: SmokeStep,
  ended: Ended,
): string | undefined {
  const good = ended.status === String(status) && (stdout?.test(ended.stdout) ?? true);
  if (good) return undefined;
  const line = display(ended.stderr.trim().split("\n").at(-1) ?? "");
  const detail = line === "" ? "" : `: ${line}`;
  const shown = display([program, ...words].join(" "));
  return ended.status === String(status)
    ? `${shown} printed something unexpected${detail}`
    : `${shown} ended with ${ended.status}${detail}`;
}

/** Bun passes arguments as UTF-8. */
const asText = (text: ByteString): string => Buffer.from(text, "latin1").toString("utf8");

function memoryFile(): number {
  const MFD_CLOEXEC = 1;
  const name = cString("jk_check");
  return check(syscall(SYS_memfd_create, addressOf(name), MFD_CLOEXEC), "memfd_create");
}

function contentsOf(fd: number): ByteString {
  const buffer = new Uint8Array(Math.min(fstat(fd).size, OUTPUT_LIMIT) + 1);
  return fromBytes(buffer, 0, readAt(fd, buffer, 0));
}
