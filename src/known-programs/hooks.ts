import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { gitPairs } from "./environment.ts";
import type { Program } from "./program.ts";
import type { Recognised } from "./recognise.ts";
import type { ProgramWarning } from "./warnings.ts";

/** A repository with hooks. */
export interface HookedRepository {
  /** Its path, as the user sees it. */
  path: ByteString;
  kind: NonNullable<Program["hooks"]>;
  /** The names of the hooks that git would run; for hg, the file that names them. */
  hooks: readonly ByteString[];
}

/** The hooks that a push to a git repository may run: githooks(5). */
export const GIT_HOOKS =
  "pre-receive update post-receive post-update proc-receive push-to-checkout reference-transaction".split(
    " ",
  );

const MOST_NAMED = 3;

/** True if pairs of git-config(1) in the environment name a directory of hooks. */
function namesHooks(environment: ReadonlyMap<ByteString, ByteString>): boolean {
  const path = gitPairs(environment).findLast(([key]) => key.toLowerCase() === "core.hookspath")?.[1];
  return path !== undefined && path !== "" && path !== "/dev/null";
}

/**
 * True if a variable belongs to the pairs of git-config(1) by which an administrator names a directory of hooks or enables
 * them; false if there are other pairs too.
 */
export function isHooksPair(variable: ByteString, environment: ReadonlyMap<ByteString, ByteString>): boolean {
  const pairs = gitPairs(environment);
  const isForHooks = ([key, value]: [string, string]) =>
    (key.toLowerCase() === "core.hookspath" && value.startsWith("/")) || /^hook\..*\.enabled$/i.test(key);
  const isPair = /^GIT_CONFIG_(?:COUNT|(?:KEY|VALUE)_[0-9]+)$/.test(variable);
  return isPair && pairs.length > 0 && pairs.every(isForHooks);
}

/**
 * A warning that hooks in some repositories do not run when a program serves them, as they did with jailkit 2.23.
 * `configured`: the key `environment`.
 */
export function hooksWarning(
  { rows }: Recognised,
  repositories: readonly HookedRepository[],
  configured: ReadonlyMap<ByteString, ByteString>,
): ProgramWarning | undefined {
  const kind = rows.find(({ hooks }) => hooks !== undefined)?.hooks;
  const silent = repositories.filter((one) => one.kind === kind);
  if (silent.length === 0 || (kind === "git" && namesHooks(configured))) return undefined;
  const named = silent.slice(0, MOST_NAMED).map(({ path, hooks }) => `${quoted(path)} (${hooks.join(", ")})`);
  const more = silent.length > MOST_NAMED ? `, and in ${silent.length - MOST_NAMED} more` : "";
  const advice =
    kind === "git"
      ? "let root keep them in a directory, and name that in environment and execute, as in the example for hooks in jk_lsh.ini(5)"
      : "let root name them in /etc/mercurial/hgrc, and the directory of the programs that they start in execute = system, DIRECTORY";
  return { message: `hooks do not run in ${named.join(", ")}${more}`, advice };
}
