import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { printError } from "../cli/output.ts";
import type { Place } from "../config/model.ts";
import type { Change } from "./change.ts";
import type { Declaration } from "./model.ts";
import type { Once } from "./once-shape.ts";
import { APPLY } from "./report-failed.ts";

/** What a user gets, and should not, perhaps. The message is printable. */
export interface Doubt {
  readonly user: ByteString;
  readonly problem: Place & { readonly message: string };
  /** With which change the run says it, and so does the plan; undefined: before all changes. */
  readonly change?: Change | undefined;
}

/** The warnings that a named file declares nothing, and never did: it may be another one that was meant, or was moved. */
export function emptyFiles(declaration: Declaration, { jails, users }: Once, usual: boolean): string[] {
  const declared = [...declaration.jails, ...declaration.users].map(({ place }) => place.file);
  const known = new Set([...declared, ...[...jails, ...users].map(({ file }) => file)]);
  const empty = usual ? [] : declaration.files.filter((file) => !known.has(file));
  return empty.map(
    (file) => `${quoted(file)} declares nothing, and nothing that is remembered was declared by it`,
  );
}

/** Prints warnings. Of thousands of users each may have the same, such as one about sshd: it is printed twice. */
export class Warnings {
  /** What was said, and about whom. */
  readonly #said = new Map<string, { readonly first: string; readonly all: Set<string> }>();

  /** `whole`: each is printed. */
  constructor(private readonly whole: boolean) {}

  /** Prints a warning about a jail or user, unless another one had the same; true if it was printed. */
  add(about: string, line: string): boolean {
    const said = this.#said.getOrInsertComputed(line, () => ({ first: about, all: new Set<string>() }));
    const isFirst = this.whole || said.all.size === 0;
    if (isFirst) printError(`${APPLY}: warning: ${about}: ${line}`);
    said.all.add(about);
    return isFirst;
  }

  /** Prints how many had the same. */
  end(): void {
    if (this.whole) return;
    for (const [line, { first, all }] of this.#said)
      if (all.size > 1) printError(`${APPLY}: warning: ${first} and ${all.size - 1} more: ${line}`);
  }
}
