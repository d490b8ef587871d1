import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { readInto } from "../../ffi/files.ts";
import { endBySignal, holdingSignals, receivedSignal } from "../../ffi/interrupts.ts";
import { UsageError } from "../cli/error.ts";
import { capturing, type Printed, print, printAgain, printErrorAsItIs, printNow } from "../cli/output.ts";
import { tellOfWaitingTo } from "../cli/waiting.ts";

// Processes, not threads: ids, the working directory and signals belong to a process, and a crash ends one job alone.

/** The end of a job. */
export type JobEnd<Result> =
  | { readonly kind: "done"; readonly result: Result; readonly printed: Printed }
  /** Its process ended before the job was done; printable. */
  | { readonly kind: "lost"; readonly reason: string };

/** Many jobs, each done by a process of this executable that calls serveJobs(). */
export interface Jobs<Setup, Job, Result> {
  /** The name of the tool, by which the executable knows what to run. */
  readonly tool: string;
  readonly setup: (worker: number) => Setup;
  readonly jobs: readonly Job[];
  readonly processes: number;
  /** Called for each job: in the order of the jobs, or as they end. */
  readonly ended: (end: JobEnd<Result>, index: number) => void;
  readonly ordered: boolean;
  /** What a job says before it ends is printed: see printNotice. */
  readonly notices: boolean;
}

/** A message between the processes: one line of ASCII, since texts of reports have characters that are no bytes. */
const lineOf = (value: unknown): ByteString =>
  `${JSON.stringify(value).replace(/[\x7f-\uffff]/g, escaped)}\n`;
const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

const compiled = import.meta.path.startsWith("/$bunfs/");
const MOST_JOBS = 256;
const SIGNAL_CHECK_MS = 50;
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

/** The number that `--jobs` asks for; undefined if it is not given. Throws UsageError. */
export function readJobs(value: string | undefined, exitStatus = 1): number | undefined {
  if (value === undefined) return undefined;
  const jobs = /^[0-9]{1,3}$/.test(value) ? Number(value) : 0;
  if (jobs < 1 || jobs > MOST_JOBS)
    throw new UsageError(`--jobs is a number from 1 to ${MOST_JOBS}`, exitStatus);
  return jobs;
}

/**
 * The number of processes for `jobs` jobs, where `asked` are wanted, by default one for each processor. 0: this one does
 * them, which is so for a single job; of several, none may end the others.
 */
export function processesFor(jobs: number, asked: number | undefined): number {
  return compiled && jobs > 1 ? Math.min(asked ?? navigator.hardwareConcurrency, jobs) : 0;
}

/** What a process has to say before its job is done. */
interface Notice {
  readonly notice: ByteString;
}

interface Answer<Result> {
  readonly result: Result;
  readonly printed: Printed;
  readonly signal: number | undefined;
}

type Worker = Bun.Subprocess<"pipe", "pipe", "ignore">;

/** Starts this executable again; undefined if that is not possible. */
function spawnWorker(tool: string): Worker | undefined {
  try {
    return Bun.spawn(["/proc/self/exe", "--worker"], {
      argv0: tool,
      env: ENVIRONMENT,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
      // Signals of the terminal come to the first process alone, which passes them on.
      detached: true,
    });
  } catch {
    // An error of Bun's own.
    return undefined;
  }
}

/** A process that does one job at a time. */
class WorkerProcess {
  readonly #process: Worker;
  readonly #lines: AsyncGenerator<ByteString>;

  constructor(process: Worker, setup: unknown) {
    this.#process = process;
    this.#lines = linesOf(this.#process.stdout);
    this.#send(setup);
  }

  /** The answer to a job; undefined if the process ends first. */
  async do<Result>(job: unknown, notices: boolean): Promise<Answer<Result> | undefined> {
    this.#send(job);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) return undefined;
      const message = JSON.parse(value) as Answer<Result> | Notice;
      if (!("notice" in message)) return message;
      if (notices) printErrorAsItIs(message.notice);
    }
  }

  kill(signal: number): void {
    this.#process.kill(signal);
  }

  /** Lets it end, and returns how it ended. */
  async end(): Promise<string> {
    this.#process.stdin.end();
    await this.#process.exited;
    const { signalCode, exitCode } = this.#process;
    return signalCode === null ? `ended with status ${exitCode}` : `was ended by ${signalCode}`;
  }

  #send(value: unknown): void {
    this.#process.stdin.write(toBytes(lineOf(value)));
    this.#process.stdin.flush();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<ByteString> {
  let rest: ByteString[] = [];
  for await (const chunk of stream) {
    const [first = "", ...more] = fromBytes(chunk).split("\n");
    rest.push(first);
    for (const line of more) {
      yield rest.join("");
      rest = [line];
    }
  }
}

/**
 * Does jobs in several processes. A signal is passed on to them: each completes or undoes its step, no other job is
 * started, and receivedSignal() returns it. False, and nothing is done, if no process can be started, as where proc(5) is
 * not mounted. Throws what `ended` throws.
 */
export function runJobs<Setup, Job, Result>(request: Jobs<Setup, Job, Result>): Promise<boolean> {
  return holdingSignals(() => new JobRun(request).run());
}

class JobRun<Setup, Job, Result> {
  readonly #request: Jobs<Setup, Job, Result>;
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #waiting = new Map<number, JobEnd<Result>>();
  #next = 0;
  #shown = 0;
  #stopped = false;

  constructor(request: Jobs<Setup, Job, Result>) {
    this.#request = request;
  }

  async run(): Promise<boolean> {
    const numbers = Array.from({ length: this.#request.processes }, (_, index) => index);
    if (numbers.every((number) => this.#start(number) === undefined)) return false;
    const watch = setInterval(() => this.#stopIfInterrupted(), SIGNAL_CHECK_MS);
    try {
      await Promise.all(numbers.map((number) => this.#work(number)));
    } finally {
      clearInterval(watch);
      this.#stopped = true;
      await Promise.all(this.#workers.values().map((worker) => worker.end()));
    }
    for (const [index, end] of [...this.#waiting].sort(([a], [b]) => a - b)) this.#request.ended(end, index);
    return true;
  }

  #start(number: number): WorkerProcess | undefined {
    const { setup, tool } = this.#request;
    const process = spawnWorker(tool);
    if (process === undefined) return undefined;
    const worker = new WorkerProcess(process, setup(number));
    this.#workers.set(number, worker);
    return worker;
  }

  #stopIfInterrupted(): void {
    const signal = receivedSignal();
    if (signal === undefined || this.#stopped) return;
    this.#stopped = true;
    for (const worker of this.#workers.values()) worker.kill(signal);
  }

  async #work(number: number): Promise<void> {
    const { jobs, notices } = this.#request;
    while (!this.#stopped && this.#next < jobs.length) {
      const worker = this.#workers.get(number) ?? this.#start(number);
      // The others do the jobs.
      if (worker === undefined && this.#workers.size > 0) return;
      const index = this.#next++;
      const answer = await worker?.do<Result>(jobs[index], notices);
      if (answer === undefined) {
        this.#workers.delete(number);
        const reason =
          worker === undefined ? "no process can be started" : `its process ${await worker.end()}`;
        this.#stopIfInterrupted();
        if (!this.#stopped) this.#ended({ kind: "lost", reason }, index);
        continue;
      }
      this.#ended({ kind: "done", ...answer }, index);
      // Somebody sent it to that process alone: it counts for all of them.
      if (answer.signal !== undefined && receivedSignal() === undefined) endBySignal(answer.signal);
      this.#stopIfInterrupted();
    }
  }

  #ended(end: JobEnd<Result>, index: number): void {
    const { ordered, ended } = this.#request;
    if (!ordered) {
      ended(end, index);
      return;
    }
    this.#waiting.set(index, end);
    for (let one = this.#waiting.get(this.#shown); one !== undefined; one = this.#waiting.get(this.#shown)) {
      this.#waiting.delete(this.#shown);
      ended(one, this.#shown++);
    }
  }
}

/** Prints what a job printed, and returns its result. */
export function printedResult<Result>({ printed, result }: JobEnd<Result> & { kind: "done" }): Result {
  printAgain(printed);
  return result;
}

/** Does the jobs that come from standard input, until it ends or a signal comes. `start` gets the setup. */
export async function serveJobs<Setup, Job, Result>(
  start: (setup: Setup) => (job: Job) => Promise<Result>,
): Promise<number> {
  const lines = blockingLines(0);
  const first = lines.next();
  if (first.done === true) return 1;
  tellOfWaitingTo(1, noticeLine);
  const run = start(JSON.parse(first.value) as Setup);
  for (const line of lines) {
    const { result, printed } = await capturing(() => run(JSON.parse(line) as Job), sendNotice);
    const answer: Answer<Result> = { result, printed, signal: receivedSignal() };
    print(lineOf(answer));
    if (answer.signal !== undefined) break;
  }
  return 0;
}

const noticeLine = (notice: ByteString) => lineOf({ notice } satisfies Notice);
const sendNotice = (notice: ByteString) => printNow(noticeLine(notice));

function* blockingLines(fd: number): Generator<ByteString, undefined> {
  const buffer = new Uint8Array(1 << 16);
  let rest = "";
  for (let count = readInto(fd, buffer); count > 0; count = readInto(fd, buffer)) {
    const pieces = (rest + fromBytes(buffer.subarray(0, count))).split("\n");
    rest = pieces.pop() ?? "";
    yield* pieces;
  }
}
