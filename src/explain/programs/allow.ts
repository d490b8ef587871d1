import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { LshSection } from "../../config/schemas/lsh.ts";
import type { LimitedPolicy } from "../../enter/limited/limited.ts";
import { sectionLinesRemedy } from "../../enter/remedies.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { type Places, placesOf } from "../../known-programs/allow/places.ts";
import {
  ALLOW,
  type AllowName,
  isOfWord,
  judgeAllowed,
  serviceOf,
  wordFiles,
} from "../../known-programs/allow/table.ts";
import type { AllowWord } from "../../known-programs/allow/word.ts";
import type { FileView } from "../../limited-shell/files.ts";
import { splitWords } from "../../limited-shell/split.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

const step = stepsOf(LIMITED_SHELL);

const show = (places: Places) =>
  places === "all" ? "everywhere" : places.length === 0 ? "nowhere" : places.join(", ");

/** The command that brings the programs of a word into a jail; "" if there is none. */
function bringCommand(name: AllowName, jail: ByteString | undefined): Remedy {
  const { section } = serviceOf(name);
  return jail === undefined || section === undefined ? "" : `jk_init -j ${shellWord(jail)} ${section}`;
}

function wordStep(
  name: AllowName,
  { paths, read, write }: LshSection,
  home: ByteString,
  isFile: (path: ByteString) => boolean,
  jail: ByteString | undefined,
): ReportStep {
  const word: AllowWord = ALLOW[name];
  const { files, missing } = wordFiles(name, paths, isFile);
  if (missing.length > 0) {
    const bring = bringCommand(name, jail);
    return step("allow", "warned", `${name}: ${missing.join(", ")} is not installed here`, bring);
  }
  const places = placesOf(read, write, word.readOnly !== true, home);
  const where = `reads ${show(places.read)}, writes ${show(places.write)}`;
  return step("allow", "passed", `${name} is allowed: ${files.join(", ")} ${where}`);
}

/** The steps about the words of the key `allow`. `jail`: undefined outside of one. */
export function allowSteps(
  values: LshSection,
  home: ByteString,
  isFile: (path: ByteString) => boolean,
  jail: ByteString | undefined,
): ReportStep[] {
  return (values.allow ?? []).map((name) => wordStep(name, values, home, isFile, jail));
}

/** The programs of the words that exist. */
export function wordPrograms(
  { allow = [], paths }: LshSection,
  isFile: (path: ByteString) => boolean,
): ByteString[] {
  return allow.flatMap((name) => wordFiles(name, paths, isFile).files);
}

/** Words that allow least come first. */
const BY_REACH = (Object.keys(ALLOW) as AllowName[]).sort((a, b) => reach(a) - reach(b));

function reach(name: AllowName): number {
  const { readOnly, service }: AllowWord = ALLOW[name];
  return readOnly ? 0 : name === service ? 2 : 1;
}

/**
 * The remedy for a command that no word of the key `allow` is about, in a section that has this key: the word that allows this
 * command, and as little else as possible. Its program must not be listed in place of that: then no arguments would be
 * compared with places. "" if no word allows the command, though some are about its program; undefined if none is, and for
 * other refusals. `jail`: undefined outside of one.
 */
export function wordRemedy(
  code: string,
  command: ByteString,
  { section, file, values, patterns }: LimitedPolicy,
  home: ByteString,
  { isRegularFile }: FileView,
  jail: ByteString | undefined,
): Remedy | undefined {
  const { allow, force, paths, read, write } = values;
  if (code !== "not-allowed" || allow === undefined || force !== undefined) return undefined;
  const [typed = "", ...args] = answered(() => splitWords(command)) ?? [];
  if (!isOfWord(typed, BY_REACH)) return undefined;
  const wordIf = (isFile: (path: ByteString) => boolean) =>
    BY_REACH.find((one) => {
      const judged = judgeAllowed(typed, args, { allow: [one], paths, read, write, home }, isFile);
      return judged !== undefined && !("missing" in judged);
    });
  const here = wordIf(isRegularFile);
  const name = here ?? wordIf(() => true);
  if (name === undefined || patterns.length > 0) return "";
  const bring = here === undefined ? bringCommand(name, jail) : "";
  if (here === undefined && bring === "") return "";
  const lines = sectionLinesRemedy(file, section, [`allow = ${[...allow, name].join(", ")}`]);
  return bring === "" ? lines : (`${bring}; then ${lines}` as Remedy);
}
