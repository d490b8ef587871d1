import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readFileIfPresent, statIfPresent } from "../../ffi/files.ts";
import { pathsDownTo } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { type Remedy, typed } from "../cli/remedy.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { fixText, itemChanges } from "../config/fixes.ts";
import { type IniFile, type IniSection, LIMITS, type Place, type Problem } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { listItems } from "../config/values.ts";
import { machineProblems } from "../declaration/machine.ts";
import type { DeclarationFacts } from "../declaration/machine-facts.ts";
import { MACHINE_FINDINGS } from "../declaration/machine-findings.ts";
import type { MeantAt } from "../declaration/meant.ts";
import type { Declaration } from "../declaration/model.ts";
import { subjectOf } from "../declaration/section.ts";
import { isLoose } from "../jail/fs/strict.ts";
import { isRegular } from "../jail/fs/walk.ts";
import { ownTarget } from "../system/exchange.ts";
import { isSectionOfRoot } from "./contents.ts";
import { claimantsOf, machineFacts, unknownJails } from "./declaration.ts";
import { problemsInJails } from "./in-jails.ts";

/** The key of a section that a place is in; undefined for the header. */
const keyAt = ({ entries }: IniSection, place: Place) =>
  entries.findLast(({ file, line }) => file === place.file && line <= place.line);

/** True for a path that only root can lead elsewhere, also by symbolic links; also for one below a file. */
function isOwn(path: ByteString): boolean {
  const file = pathsDownTo(path).find((one) => {
    const stat = attempt(() => statIfPresent(AT_FDCWD, one));
    return stat !== undefined && isRegular(stat);
  });
  return path !== "" && ownTarget(file ?? path) !== undefined;
}

/** True if only root can bring an error of a section about. */
function isOfRoot(
  problem: Problem,
  section: IniSection,
  facts: Pick<DeclarationFacts, "userByName">,
): boolean {
  const { line, column } = problem;
  const codes: Readonly<Partial<Record<FindingCode, string>>> = MACHINE_FINDINGS;
  const by = codes[problem.code];
  if (by === "root") return true;
  const name = subjectOf(section)?.name ?? "";
  if (by === "jail") return isOwn(name);
  if (by === "home") return isOwn(answered(() => facts.userByName(name)?.home) ?? "");
  const entry = keyAt(section, problem);
  if (entry === undefined) return false;
  const item = listItems(entry).find((one) => one.line === line && one.column === column)?.value ?? "";
  if (by === "section") return answered(() => isSectionOfRoot(item, isOwn)) ?? false;
  if (by !== "path") return false;
  if (entry.key === "shell") return isOwn(entry.value) && !isLoose(entry.value);
  return !item.startsWith("/") || isOwn(item);
}

/** What is declared, as a file without a mistake in its text. */
function iniOf({ files, jails, users }: Declaration): IniFile {
  const texts = files.map((file) => ({ file, bytes: new Uint8Array() }));
  const sections = [...jails, ...users].flatMap(({ place }) => place.section ?? []);
  return { file: files[0] ?? "", dialect: "plain", sections, defaults: [], problems: [], texts };
}

/** The jails and users that other files declare. */
const meantBy = ({ jails, users }: Declaration): MeantAt[] => [
  ...jails.map(({ path, place: { file, line } }) => ({ kind: "jail", name: path, file, line }) as const),
  ...users.map(({ name, place: { file, line } }) => ({ kind: "user", name, file, line }) as const),
];

/** The last section above a place. */
const sectionAt = (sections: readonly IniSection[] = [], { line }: Place): IniSection | undefined =>
  sections.reduce<IniSection | undefined>(
    (last, one) => (one.line <= line && one.line >= (last?.line ?? 0) ? one : last),
    undefined,
  );

/** The file of a section as it is now, unless the section is another one by now. */
function sourceOf({ file, name, line, entries }: IniSection): IniFile | undefined {
  const shape = (all: IniSection["entries"]) =>
    JSON.stringify(all.map((one) => [one.line, one.key, one.value]));
  return answered(() => {
    const bytes = readFileIfPresent(file, LIMITS.plainFileBytes);
    const ini = bytes && scanIni(bytes, file, "plain");
    const now = ini?.sections.find((one) => one.name === name && one.line === line);
    return now && shape(now.entries) === shape(entries) ? ini : undefined;
  });
}

/** What `jailkit config check` advises against errors, with the line of each. */
function remediesOf(all: readonly Problem[]): (problem: Problem, section: IniSection) => Remedy | undefined {
  const items = itemChanges(all);
  return (problem, section) => {
    // Of a header it is not known that both mean the same; nor of a command, which changes more than the line.
    const isOfKey = problem.fix?.kind !== "command" && keyAt(section, problem) !== undefined;
    const ini = isOfKey ? sourceOf(section) : undefined;
    return ini && (typed(fixText(problem, { ...ini, items }) ?? "") || undefined);
  };
}

/** An error of `jailkit config check`. */
interface FindingAt {
  readonly code: FindingCode;
  /** Undefined if it has none, or is about a whole section. */
  readonly remedy: Remedy | undefined;
}

/**
 * A function that tells, of `places`, the error that `jailkit config check` reports of a declaration at the same key; undefined if
 * there is none, or others than root can bring it about. `beside`: what other files declare; undefined if that is
 * not known.
 */
export function findingsAt(
  places: readonly Place[],
  declaration: Declaration,
  beside: readonly Declaration[] | undefined,
): (place: Place) => FindingAt | undefined {
  const ini = iniOf(declaration);
  const byFile = Map.groupBy(ini.sections, ({ file }) => file);
  const sectionOf = (place: Place) => sectionAt(byFile.get(place.file), place);
  const asked = new Set(places.flatMap((place) => sectionOf(place) ?? []));
  const users = [declaration, ...(beside ?? [])].flatMap((one) => one.users);
  const facts = machineFacts(claimantsOf(users, beside && []));
  const known = beside === undefined ? { ...facts, jails: unknownJails } : facts;
  const own = new Set(ini.sections.map(({ name }) => name));
  const others = (beside ?? []).flatMap(meantBy).filter(({ kind, name }) => !own.has(`${kind} ${name}`));
  const problems = machineProblems(ini, known, others, asked);
  problems.push(...problemsInJails(declaration, (section) => asked.has(section)));
  const errors = problems.flatMap((problem) => {
    const section = problem.severity === "error" ? sectionOf(problem) : undefined;
    return section !== undefined && isOfRoot(problem, section, facts) ? { problem, section } : [];
  });
  const remedyOf = remediesOf(errors.map(({ problem }) => problem));
  const bySection = Map.groupBy(errors, ({ section }) => section);
  return (place) => {
    const section = sectionOf(place);
    const found = (section && bySection.get(section)) ?? [];
    const isSame = ({ line, column }: Place) => line === place.line && column === place.column;
    const isSameKey = (problem: Place) => section && keyAt(section, problem) === keyAt(section, place);
    const error =
      found.find(({ problem }) => isSame(problem)) ?? found.find(({ problem }) => isSameKey(problem));
    if (error === undefined) return undefined;
    // What apply says may be about all of them.
    const isOne = found.every(({ problem }) => problem.line === error.problem.line);
    return { code: error.problem.code, remedy: isOne ? remedyOf(error.problem, error.section) : undefined };
  };
}
