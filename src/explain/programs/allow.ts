import type { ByteString } from "../../../ffi/bytes.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { LshSection } from "../../config/schemas/lsh.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { type Places, placesOf } from "../../known-programs/allow/places.ts";
import { ALLOW, type AllowName, serviceOf, wordFiles } from "../../known-programs/allow/table.ts";
import type { AllowWord } from "../../known-programs/allow/word.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

const step = stepsOf(LIMITED_SHELL);

const show = (places: Places) =>
  places === "all" ? "everywhere" : places.length === 0 ? "nowhere" : places.join(", ");

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
    const { section } = serviceOf(name);
    const bring =
      jail === undefined || section === undefined ? "" : `jk_init -j ${shellWord(jail)} ${section}`;
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
