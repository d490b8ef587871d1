import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { AllowPlaces } from "./places.ts";
import type { AllowWord, Granted } from "./word.ts";

const BORG_FLAGS = ["--critical", "--error", "--warning", "--info", "--debug"];
const BORG_VALUES = ["--umask", "--debug-topic", "--lock-wait", "--storage-quota"];

/** True for an option with a value in the same word. */
function hasValue(word: ByteString): boolean {
  for (const name of BORG_VALUES)
    if (word.startsWith(`${name}=`) && word.length > name.length + 1) return true;
  return false;
}

/**
 * borg(1) takes paths by its protocol, and several --restrict-to-path allow all of them: a client must send none, and those
 * of the section come last.
 */
function judgeBorg(
  args: readonly ByteString[],
  { write }: AllowPlaces,
  appendOnly: boolean,
): Granted | string {
  if (args[0] !== "serve") return "only 'borg serve' can be called here";
  for (let at = 1; at < args.length; at++) {
    const word = args[at] ?? "";
    if (!BORG_FLAGS.includes(word) && !hasValue(word))
      return `argument ${quoted(word)} is not one that a client sends`;
  }
  if (write !== "all" && write.length === 0) return "nothing may be written here, and borg writes";
  const forced = appendOnly ? ["--append-only"] : [];
  if (write !== "all") for (const path of write) forced.push("--restrict-to-path", path);
  return { args: [...args, ...forced], writes: true };
}

const borgWord = (appendOnly: boolean, help: string): AllowWord => ({
  service: "borg",
  needsWrite: true,
  temporary: true,
  help,
  judge: (args, _, places) => judgeBorg(args, places, appendOnly),
});

/** `borg` */
export const borg = borgWord(
  false,
  "Repositories of borg(1) below write; 'borg serve' gets --restrict-to-path for each path there.",
);

/** `borg append-only` */
export const borgAppendOnly = borgWord(
  true,
  "As borg, with --append-only: what a client deletes stays in the repository until root compacts it.",
);

/** `unison`: unison(1) gets its roots by its protocol, and keeps its archives in the home. */
export const unison: AllowWord = {
  service: "unison",
  needsWrite: true,
  state: ["~/.unison"],
  help: "Synchronization with unison(1), of any version. It also writes ~/.unison, which must exist if write is set.",
  judge(args, _, { write }) {
    if (args[0] !== "-server" || args.length > 2 || (args[1] ?? "__new-rpc-mode") !== "__new-rpc-mode") {
      return "only 'unison -server' can be called here";
    }
    if (write !== "all" && write.length === 0) return "nothing may be written here, and unison writes";
    return { args, writes: true };
  },
};
