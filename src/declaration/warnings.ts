import { printError } from "../cli/output.ts";
import { APPLY } from "./report-failed.ts";

/** Prints warnings. Of thousands of users each may have the same, such as one about sshd: it is printed twice. */
export class Warnings {
  /** What was said, and about whom. */
  readonly #said = new Map<string, { readonly first: string; readonly all: Set<string> }>();

  /** `whole`: each is printed. */
  constructor(private readonly whole: boolean) {}

  /** Prints a warning about a jail or user, unless another one had the same. */
  add(about: string, line: string): void {
    const said = this.#said.getOrInsertComputed(line, () => ({ first: about, all: new Set<string>() }));
    if (this.whole || said.all.size === 0) printError(`${APPLY}: warning: ${about}: ${line}`);
    said.all.add(about);
  }

  /** Prints how many had the same. */
  end(): void {
    if (this.whole) return;
    for (const [line, { first, all }] of this.#said)
      if (all.size > 1) printError(`${APPLY}: warning: ${first} and ${all.size - 1} more: ${line}`);
  }
}
