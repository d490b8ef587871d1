import type { ByteString } from "../../ffi/bytes.ts";
import { MOST_LINKS } from "../../ffi/constants.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { lookUp } from "../jail/fs/look.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { Attribution, Entry } from "./entry.ts";
import type { Companion, Companions } from "./plan/companion.ts";
import type { Draft } from "./plan/draft.ts";
import type { PopulateRequest } from "./request.ts";

/** A section that a copied program needs. */
export interface Suggestion {
  /** The program or script, on the host. */
  readonly path: ByteString;
  readonly section: ByteString;
  /** The command that adds the section. */
  readonly command: string;
  /** Printable, with the command. */
  readonly message: string;
  /** Only with --verbose: nobody asked for this file by name. */
  readonly detail: boolean;
}

/**
 * The sections with what programs of a plan need besides their libraries: programs that jk_cp was asked for by name, and
 * scripts without their interpreter. Once each, and only those of which the jail lacks something.
 */
export function suggestSections(
  { tool, jail: jailPath }: PopulateRequest,
  plan: Draft,
  root: JailRoot | undefined,
  companions: Companions,
): Suggestion[] {
  const found = new Map<string, Suggestion>();
  const isInJail = (path: ByteString) =>
    root !== undefined && answered(() => lookUp(root, path)) !== undefined;
  const has = (path: ByteString) => plan.seen.get(path) !== undefined || isInJail(path);
  const suggest = (path: ByteString, { section }: Companion, why: string, detail = false) => {
    const command = `jk_init -j ${shellWord(jailPath)} ${shellWord(section)}`;
    const message = `${why}: ${command}`;
    found.getOrInsertComputed(`${section} ${detail}`, () => ({ path, section, command, message, detail }));
  };
  for (const { path, source = path, because } of tool === "jk_cp" ? plan.entries : []) {
    // A warning says what is left out, and what adds it.
    if (!because.some(isByName) || plan.leftOut.has(source)) continue;
    const companion = companions.ofProgram(source);
    if (companion?.paths().some((each) => !has(each)))
      suggest(source, companion, `${display(source)} needs more than its libraries`);
  }
  const explained = new Set([...found.values()].map(({ path }) => path));
  for (const { script, interpreter, companion } of plan.bareScripts) {
    const { path, source = path } = script;
    if (has(interpreter) || explained.has(source) || comesFrom(script, explained)) continue;
    const why = `${display(source)} is a script for ${display(interpreter)}, which is left out, since it needs its library`;
    suggest(source, companion, why, tool === "jk_init" && !isRequested(script));
  }
  return [...found.values()];
}

const isByName = ({ reason }: Attribution) => reason.kind === "asked" && reason.matched !== true;

/** True if an entry, or a symbolic link to it, was requested by name. */
function isRequested({ because }: Entry, links = 0): boolean {
  const leads = ({ reason }: Attribution) =>
    reason.kind === "link" && links < MOST_LINKS && isRequested(reason.from, links + 1);
  return because.some((one) => isByName(one) || leads(one));
}

/** True if symbolic links lead from one of the paths to an entry. */
function comesFrom({ because }: Entry, paths: ReadonlySet<ByteString>, links = 0): boolean {
  return because.some(({ reason }) => {
    if (reason.kind !== "link" || links >= MOST_LINKS) return false;
    return paths.has(reason.from.source ?? reason.from.path) || comesFrom(reason.from, paths, links + 1);
  });
}
