import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { SIGKILL } from "../../../ffi/constants.ts";
import { close, fstat, readAt } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { memoryFile } from "../../../ffi/memory-file.ts";
import { display } from "../../cli/display.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { SmokeStep } from "./table.ts";

/** The user who runs tests, and where. */
export interface Account {
  readonly name: ByteString;
  readonly uid: number;
  readonly gid: number;
  /** The jail's passwd has it. */
  readonly inJail: boolean;
}

/** A program of a jail that is tested. */
export interface Tested {
  readonly root: JailRoot;
  /** chroot(1) of the host. */
  readonly launcher: ByteString;
  readonly program: ByteString;
  /** The test's own directory. */
  readonly directory: ByteString;
  readonly account: Account;
}

const TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT = 1 << 16;

/**
 * Runs a program of the jail as an ordinary user; returns the reason if it failed, printable. Ids are numbers, so that
 * root looks up no names in the jail.
 */
export async function runStep(tested: Tested, step: SmokeStep): Promise<string | undefined> {
  const { root, launcher, program, directory, account } = tested;
  const { uid, gid } = account;
  const words = [program, ...step.words.map((word) => word.replaceAll("{dir}", directory))];
  const user = [`--userspec=+${uid}:+${gid}`, `--groups=+${gid}`];
  // Bun passes arguments as UTF-8, which the path need not be.
  const jail = `/proc/${process.pid}/fd/${root.fd}`;
  const command = [launcher, ...user, "--", jail, ...words];
  const shown = display(words.join(" "));
  const name = asText(account.name);
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: directory,
    USER: name,
    LOGNAME: name,
    TERM: "xterm",
    LC_ALL: "C",
  };
  const stdout = memoryFile("jk_check");
  const stderr = memoryFile("jk_check");
  const common = { env, cwd: "/", stderr, detached: true, timeout: TIMEOUT_MS, killSignal: SIGKILL };
  try {
    if (step.answers) {
      const child = Bun.spawn(command, { ...common, stdin: "pipe", stdout: "pipe" });
      child.stdin.write(toBytes(step.stdin ?? ""));
      child.stdin.flush();
      const answer = answerOf(child.stdout, step.stdout ?? /^/);
      await Promise.race([answer.seen, child.exited]);
      child.stdin.end();
      return await complaint(shown, step, child, answer.text, stderr);
    }
    // Files, not pipes: a background process would keep a pipe open.
    const stdin = step.stdin === undefined ? "ignore" : toBytes(step.stdin);
    const child = Bun.spawn(command, { ...common, stdin, stdout });
    return await complaint(shown, step, child, () => contentsOf(stdout), stderr);
  } finally {
    close(stdout);
    close(stderr);
  }
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

/** Waits for the end of a command. The reason why it failed; undefined if it did not. */
async function complaint(
  shown: string,
  { status = 0, stdout: expected }: SmokeStep,
  child: Pick<Bun.Subprocess, "exited" | "pid" | "signalCode">,
  stdout: () => ByteString,
  stderr: number,
): Promise<string | undefined> {
  const code = await child.exited;
  // Ends background processes of its session.
  libc.kill(-child.pid, SIGKILL);
  const ended = child.signalCode ?? code;
  if (ended === status && (expected?.test(stdout()) ?? true)) return undefined;
  const line = display(contentsOf(stderr).trim().split("\n").at(-1) ?? "");
  const detail = line === "" ? "" : `: ${line}`;
  return ended === status
    ? `${shown} printed something unexpected${detail}`
    : `${shown} ended with ${ended}${detail}`;
}

const asText = (text: ByteString): string => Buffer.from(text, "latin1").toString("utf8");

function contentsOf(fd: number): ByteString {
  const buffer = new Uint8Array(Math.min(fstat(fd).size, OUTPUT_LIMIT) + 1);
  return fromBytes(buffer, 0, readAt(fd, buffer, 0));
}
