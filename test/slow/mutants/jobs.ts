/** The processes of --jobs: one that ends early costs its job alone, and never counts as done. And silent name services. */

import type { Mutant } from "./mutant.ts";

const within = (test: string, changes: readonly (readonly [from: string, to: string])[]): Mutant[] =>
  changes.map(([from, to]) => ({ file: "src/system/jobs.ts", from, to, test }));

export const JOBS: readonly Mutant[] = [
  {
    file: "src/system/jobs.ts",
    from: "for (const worker of this.#workers.values()) worker.kill(signal);",
    to: "",
    test: "e2e/parallel.test.ts",
    title: "waits for its lock",
  },
  {
    file: "src/system/jobs.ts",
    from: "Math.min(asked ?? navigator.hardwareConcurrency, jobs)",
    to: "asked ?? navigator.hardwareConcurrency",
    test: "e2e/workers.test.ts",
    equivalent: "a process is started only when a job waits for it",
  },
  ...within("e2e/workers.test.ts", [
    ["compiled && jobs > 1", "compiled && jobs > 9"],
    ["asked ?? navigator.hardwareConcurrency", "navigator.hardwareConcurrency"],
    ["// An error of Bun's own.\n    return undefined;", 'throw new Error("no process");'],
    ["if (done === true) return undefined;", "if (done === true) return {} as Answer<Result>;"],
    ["    this.#process.stdin.end();\n", ""],
    ["=== undefined)) return false;", "=== undefined)) return true;"],
    ["        this.#workers.delete(number);\n", ""],
    ['if (!this.#stopped) this.#ended({ kind: "lost", reason }, index);', ""],
    ["if (!ordered) {", "if (this.#shown === 0) {"],
    [
      "for (const [index, end] of [...this.#waiting].sort(([a], [b]) => a - b)) this.#request.ended(end, index);",
      "",
    ],
  ]),
  ...within("e2e/parallel.test.ts", [
    ["jobs < 1 || jobs > MOST_JOBS", "jobs < 1"],
    ["jobs < 1 || jobs > MOST_JOBS", "jobs > MOST_JOBS"],
    ["answer.signal !== undefined && receivedSignal() === undefined", "jobs.length < 0"],
  ]),
  ...[
    ["found === undefined && now() - start >= SLOWEST_ANSWER_MS", "now() < start"],
    ["found === undefined && now() - start", "now() - start"],
  ].map(([from = "", to = ""]) => ({
    ...{ file: "src/system/accounts.ts", from, to },
    test: "unit/waiting.test.ts",
  })),
  {
    file: "ffi/waiting.ts",
    from: "SIGEV_THREAD_ID, this.#thread.id]",
    to: "SIGEV_THREAD_ID, process.pid]",
    test: "e2e/interrupted-services.test.ts",
  },
  {
    file: "src/users/directory.ts",
    from: "entry.uid === now?.uid && entry.home === now.home",
    to: "entry.uid === now?.uid",
    test: "e2e/extrausers.test.ts",
    title: "another service",
  },
  ...within("e2e/interrupts.test.ts", [["!this.#stopped && this.#next", "this.#next"]]),
  ...within("e2e/progress.test.ts", [
    ['if (!("notice" in message)) return message;', "return message as Answer<Result>;"],
    ['if (!this.#stopped) this.#ended({ kind: "lost"', 'this.#ended({ kind: "lost"'],
    [".replace(/[\\x7f-\\uffff]/g, escaped)", ""],
  ]),
];
