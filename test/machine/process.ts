import { constants } from "node:os";
import type { ByteString } from "../../ffi/bytes.ts";
import type { RunOptions, RunResult } from "./request.ts";

/** A program that was started in the machine and may still run. */
export interface MachineProcess {
  /** How it ended and all that it wrote. */
  readonly ended: Promise<RunResult>;
  /** What it has written so far. */
  readonly stdout: ByteString;
  readonly stderr: ByteString;
  /** Writes to its standard input. */
  write(text: ByteString): void;
  /** Closes its standard input. */
  end(): void;
  /** Sends a signal; "SIGTERM" reaches it as SIGKILL. */
  kill(signal?: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR1" | "SIGUSR2"): void;
  /**
   * The first value other than undefined that `look` finds in this process, which is asked whenever output has
   * come. Rejects where the program ends, or `deadline` milliseconds (a minute) go by, before that.
   */
  until<T>(look: (process: MachineProcess) => T | undefined, deadline?: number): Promise<T>;
}

/** Starts a `machine enter` command line. */
export function startProcess(command: string[], options: RunOptions): MachineProcess {
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe", env: {} });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const listeners = new Set<() => void>();
  let over = false;
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("latin1");

  async function collect(stream: ReadableStream<Uint8Array>, into: Buffer[]): Promise<void> {
    for await (const chunk of stream) {
      into.push(Buffer.from(chunk));
      for (const listener of [...listeners]) listener();
    }
  }

  async function finish(): Promise<RunResult> {
    await Promise.all([collect(child.stdout, stdout), collect(child.stderr, stderr), child.exited]);
    over = true;
    for (const listener of [...listeners]) listener();
    return resultOf(child.exitCode, child.signalCode, Buffer.concat(stdout), Buffer.concat(stderr));
  }

  const ended = finish();
  // whoever asks for it gets the error; a machine that is closed under a daemon is none
  ended.catch(() => undefined);
  if (options.stdin !== undefined) {
    child.stdin.write(
      typeof options.stdin === "string" ? Buffer.from(options.stdin, "latin1") : options.stdin,
    );
    child.stdin.end();
  }

  const started: MachineProcess = {
    ended,
    get stdout() {
      return text(stdout);
    },
    get stderr() {
      return text(stderr);
    },
    write(words) {
      child.stdin.write(Buffer.from(words, "latin1"));
      child.stdin.flush();
    },
    end: () => {
      child.stdin.end();
    },
    kill: (signal = "SIGTERM") => child.kill(signal),
    until<T>(look: (process: MachineProcess) => T | undefined, deadline = 60_000): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        const stop = () => {
          listeners.delete(check);
          clearTimeout(timer);
        };
        const check = () => {
          const found = look(started);
          if (found !== undefined) resolve(found);
          else if (over) reject(new Error(`the program ended: ${started.stderr}${started.stdout}`));
          else return;
          stop();
        };
        const timer = setTimeout(() => {
          stop();
          reject(new Error(`not seen within ${deadline} ms in: ${started.stderr}${started.stdout}`));
        }, deadline);
        listeners.add(check);
        check();
      });
    },
  };
  return started;
}

/** The result of a program, from how `machine enter` ended. Throws where the program was not even started. */
export function resultOf(
  code: number | null,
  signal: string | number | null | undefined,
  stdoutBytes: Buffer,
  stderrBytes: Buffer,
): RunResult {
  const stdout = stdoutBytes.toString("latin1");
  const stderr = stderrBytes.toString("latin1");
  if (code === 199) throw new Error(stderr.trim());
  const numbers: Record<string, number> = constants.signals;
  const number = typeof signal === "string" ? (numbers[signal] ?? 0) : (signal ?? 0);
  return {
    status: number === 0 ? (code ?? -1) : 128 + number,
    signal: number === 0 ? undefined : Object.keys(numbers).find((name) => numbers[name] === number),
    stdout,
    stderr,
    // a getter, or every failed comparison would print a list of numbers
    get stdoutBytes() {
      return stdoutBytes;
    },
  };
}
