import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import { DRY_RUN, forceOption, HARDLINK, JSON_OUTPUT, jailOption, SYNC, VERBOSE } from "../cli/options.ts";
import { printJson } from "../cli/output.ts";
import { requireRoot } from "../cli/root.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { createLoader } from "../libraries/closure.ts";
import { absolutePath, type FileSystem, fileSystemAt, isDirectory } from "../populate/file-system.ts";
import { populate } from "../populate/populate.ts";
import { makeReporter } from "../populate/reporter.ts";
import { copyWant, readRecipe } from "../profile/recipe.ts";
import { searchPath } from "../profile/search.ts";

const NAME = "jk_cp";

/**
 * The path that an operand stands for; undefined where there is no such command. A name without a slash is a
 * command, found in the same directories whoever asks; `./x` and `d/f` start at the working directory.
 */
function pathOf(host: FileSystem, operand: ByteString): ByteString | undefined {
  return operand.includes("/") ? absolutePath(operand) : searchPath(host, operand);
}

/** What was copied once goes again: the files may be gone from the host meanwhile. */
async function remove(
  host: FileSystem,
  jail: ByteString,
  names: readonly ByteString[],
  how: { dryRun: boolean; sync: boolean; json: boolean; verbose: boolean },
): Promise<number> {
  const { removeReport, removeRequested } = await import("../update/remove.ts");
  const paths = names.map((name) => pathOf(host, name) ?? name);
  const statuses = { unsafe: 6, missing: 3, unknown: 4 };
  const request = { tool: NAME, jail, names: paths, statuses, dryRun: how.dryRun, sync: how.sync } as const;
  const reporter = makeReporter(NAME, how.verbose, how.json);
  using loader = createLoader({ dlopen: true });
  const outcome = await removeRequested(request, { host, loader, readRecipe, reporter });
  if (how.json) printJson(removeReport(request, outcome));
  return outcome.exitStatus;
}

/** jk_cp(8): copies files and what they need into a jail that exists. */
export const tool = defineTool({
  name: NAME,
  summary: "copy files, with the libraries that they need, into a jail",
  synopsis: [
    "[OPTION...] -j JAIL FILE...",
    "[OPTION...] JAIL FILE...",
    "[OPTION...] --remove -j JAIL FILE...",
  ],
  options: {
    jail: jailOption("the jail to copy into"),
    force: forceOption("overwrite files that are in the jail already"),
    hardlink: HARDLINK,
    owner: { short: "o", description: "keep owner and group; else both are root" },
    setuid: {
      short: "s",
      description: "keep setuid and setgid, where the ids that they grant stay the same",
    },
    dryRun: DRY_RUN,
    remove: {
      description: "take FILE out again, with what nothing else that was asked for needs",
    },
    why: { value: "PATH", description: "tell what brings PATH into the jail, and by which way" },
    sync: SYNC,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "all that was asked for is in the jail",
    1: "something could not be copied, or the options are wrong",
    2: "too few arguments",
    3: "there is no such jail",
    4: "a file or command does not exist",
    5: "not run as root",
    6: "the jail is not safe",
  },
  async run({ options, operands }) {
    requireRoot();
    const { jail: jailPath, rest: names } = jailOrFirst(options.jail, operands);
    const host = fileSystemAt();
    if (options.remove && jailPath !== undefined && names.length > 0) {
      return remove(host, absolutePath(jailPath), names, options);
    }
    const found = names.map((name) => ({ name, path: pathOf(host, name) }));
    if (jailPath === undefined || found.every(({ path }) => path === undefined)) {
      const lost = names.length > 0 ? `no such command: ${names.map(quoted).join(", ")}; ` : "";
      throw new UsageError(`${lost}need a jail and at least one file`, 2);
    }
    const jail = absolutePath(jailPath);
    const stat = host.stat(jail);
    if (stat === undefined || !isDirectory(stat.mode)) {
      throw new JailkitError("no-such-jail", 3, `${display(jail)} is not a directory`);
    }
    const wants = found.map(({ name, path }) => {
      if (path === undefined || host.stat(path) === undefined) {
        throw new JailkitError("no-such-file", 4, `${display(path ?? name)} does not exist`);
      }
      return copyWant(path, options);
    });
    const recordedOptions: Record<string, boolean> = {};
    if (options.owner) recordedOptions.owner = true;
    if (options.setuid) recordedOptions.setuid = true;
    using loader = createLoader({ dlopen: true });
    return await populate(
      {
        tool: NAME,
        jail,
        // By full path: the record is read from another directory.
        asked: wants.map(({ pattern }) => pattern),
        recordedOptions,
        wants,
        needProc: false,
        needLogsocket: false,
        mustExist: [],
        problems: [],
        warnings: [],
        notes: [],
      },
      { ...options, create: false, unsafeStatus: 6 },
      host,
      loader,
    );
  },
});

if (import.meta.main) await startTool(tool);
