import type { ByteString } from "../../ffi/bytes.ts";
import { mayBeDirectory } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display } from "../cli/display.ts";
import { isReported, JailkitError, problemFrom } from "../cli/error.ts";
import { interruption } from "../cli/interrupt.ts";
import { startProgress } from "../cli/progress.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { requireOwnPath } from "../jail/accounts/own-path.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { damagedRecordsOf, type SetAside, setAside } from "../jail/record/damaged.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { createLoader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { requireMountedJail } from "../populate/hidden-place.ts";
import { requireNotShown } from "../populate/shown-place.ts";
import { HostMemory } from "../update/memory.ts";
import { type Adoption, adoptJail, examineJail } from "./adopt.ts";
import { allKnownJails } from "./known.ts";

const NAME = "jailkit adopt";

/** What explains the contents of jails, for one run. */
export interface AdoptMeans extends Disposable {
  readonly sources: Parameters<typeof examineJail>[1];
  /** Forgets what was read of the host more than a second ago. */
  readonly refresh: () => void;
}

/** How a jail is adopted. */
export interface AdoptOptions {
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly noWait: boolean;
  readonly json: boolean;
}

/** A jail that has a record now, or would have. */
export interface AdoptedJail {
  readonly jail: ByteString;
  readonly adoption: Adoption;
  /** Damaged records, which --force replaces. */
  readonly damaged: readonly SetAside[];
}

/** Opens what explains jails: the host, and the sections of a file. Throws JailkitError if there is no such file. */
export function openMeans(configfile: ByteString | undefined): AdoptMeans {
  const given = configfile === undefined ? undefined : absolutePath(configfile);
  const file = given ?? `${CONFIG_DIRECTORY}/jk_init.ini`;
  const ini = loadConfig(file, { dialect: "py" });
  if (ini === undefined) throw new JailkitError("no-config", 1, `${display(file)}: no such file`);
  const loader = createLoader({ dlopen: true });
  const memory = new HostMemory(loader);
  const known: AdoptMeans["sources"]["known"] = new Map();
  const sources = { host: memory.host, loader, ini, configfile: given, known };
  const refresh = () => {
    if (memory.refresh()) known.clear();
  };
  return { sources, refresh, [Symbol.dispose]: () => loader[Symbol.dispose]() };
}

/** Creates the record of a jail. Throws JailkitError: "recorded" if it has one; if nothing in it is the host's. */
export function adoptOne(
  jail: ByteString,
  { sources, refresh }: AdoptMeans,
  options: AdoptOptions,
): AdoptedJail {
  const { force, dryRun } = options;
  using _lock = lockJail(jail, { tool: NAME, ...options, changes: !dryRun });
  using root = openNamedJail(jail);
  requireJailToFill(root, 1);
  requireNotShown(root.path, root);
  requireOwnPath(root.path);
  requireMountedJail(root);
  refresh();
  const adoption = examineJail(root, sources, force);
  const damaged = force ? damagedRecordsOf(root) : [];
  const nothing = adoption.entries.length === 0;
  if (nothing && damaged.length === 0)
    throw new JailkitError("nothing-found", 1, `${display(root.path)}: none of its files is the host's`);
  if (!dryRun) {
    setAside(damaged);
    if (!nothing) adoptJail(root, adoption);
  }
  return { jail: root.path, adoption, damaged };
}

/**
 * Creates the records of all known jails that have none and exist. `each` is called for one that is done. Returns the
 * problems of the others, which stop nothing: it can be repeated.
 */
export function adoptAll(
  means: AdoptMeans,
  options: Omit<AdoptOptions, "force">,
  each: (done: AdoptedJail) => void,
): PopulateProblem[] {
  const { paths, damaged } = allKnownJails(jailedUsers());
  const problems: PopulateProblem[] = damaged.map(({ error }) => problemFrom(error, error.code, error.file));
  // Their records were just reported.
  const broken = new Set(damaged.map(({ error }) => error.jail));
  const present = paths.filter((path) => {
    return path !== "/" && !broken.has(path) && mayBeDirectory(path);
  });
  const progress = startProgress(NAME, "jails");
  for (const [index, path] of present.entries()) {
    const stop = interruption(`${index} of ${present.length} jails are examined; run this again`);
    if (stop !== undefined) {
      problems.push({ code: stop.code, path, message: stop.message });
      break;
    }
    progress.at(index, present.length);
    try {
      each(adoptOne(path, means, { ...options, force: false }));
    } catch (error) {
      if (!isReported(error)) throw error;
      // Another tool may have deleted it meanwhile.
      if (!(error instanceof JailkitError && ["recorded", "no-such-jail"].includes(error.code)))
        problems.push(problemFrom(error, "failed", path));
    }
  }
  progress.clear();
  return problems;
}
