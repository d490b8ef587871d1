import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { KeyTable } from "../config/keys.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import type { IniSection } from "../config/model.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { dropInName } from "../config/write.ts";
import type { NamedKeys, TransferUser } from "./document.ts";
import { knownKeys, readDropIn, sameKeys } from "./sections.ts";

/** A section of another machine as a drop-in: see readDropIn. */
const dropInOf = (section: NamedKeys, table: KeyTable, file = "") =>
  readDropIn(section, table, { dialect: "c", file, shown: `[${display(section.name)}]` });

/** The names of the sections that may be for the groups of a user. */
const groupSections = ({ group, groups }: Pick<TransferUser, "group" | "groups">): ByteString[] => [
  `group ${group}`,
  ...[group, ...groups.map(({ name }) => name)].map((name) => `member ${name}`),
];

/** The names of the sections of jk_lsh.ini that may be for the users of a jail. */
export const sectionsOfUsers = (users: readonly TransferUser[]): Set<ByteString> =>
  new Set(["DEFAULT", ...users.flatMap((user) => [user.name, ...groupSections(user)])]);

/**
 * Warnings about the sections of jk_chrootsh.ini that may be for these users and for others: the export has none of them, so
 * that the other machine may confine a session less. `log_format` is about the machine. Pure.
 */
export function sharedSettings(
  sections: readonly IniSection[],
  users: readonly Pick<TransferUser, "group" | "groups">[],
): string[] {
  const shared = new Set(users.length === 0 ? [] : ["DEFAULT", ...users.flatMap(groupSections)]);
  return sections.flatMap(({ name, file, entries }) =>
    shared.has(name) && entries.some(({ key }) => key !== "log_format")
      ? [`${display(file)} has a section [${display(name)}], which is not part of the export`]
      : [],
  );
}

type Problems = readonly { code: ProblemCode; path: ByteString; message: string }[];

/**
 * Reasons not to use the sections of jk_lsh.ini: each must be for users of the jail, and all must fit into `room` bytes.
 * Pure.
 */
export function policyProblems(
  policies: readonly NamedKeys[],
  users: readonly TransferUser[],
  room: number,
): Problems {
  const own = sectionsOfUsers(users);
  const seen = new Set<ByteString>();
  let left = room;
  const problems = policies.flatMap((policy): Problems => {
    const shown = `section [${display(policy.name)}]`;
    const twice = seen.has(policy.name);
    seen.add(policy.name);
    const made = dropInOf(policy, lshKeys);
    if ("text" in made) left -= made.text.length;
    const message = twice
      ? `${shown} is twice in the file`
      : own.has(policy.name)
        ? "problem" in made && made.problem
        : `${shown} of jk_lsh.ini is for none of the users in the file`;
    return message === false ? [] : [{ code: "bad-policy", path: policy.name, message }];
  });
  if (left >= 0) return problems;
  const message = "the sections of jk_lsh.ini are too long for one file";
  return [...problems, { code: "bad-policy", path: "", message }];
}

/** A new drop-in of jk_chrootsh.ini on this machine. */
export interface Setting {
  readonly name: ByteString;
  readonly file: ByteString;
  readonly text: ByteString;
}

/** What is done with the sections of jk_chrootsh.ini. */
export interface SettingChoice {
  readonly settings: readonly Setting[];
  readonly problems: Problems;
  readonly warnings: readonly string[];
}

/**
 * Decides which sections of jk_chrootsh.ini this machine gets: of users of the jail, for whom it has none. `here`: its
 * own sections. `isTaken`: whether a file is there already, with another text. Pure.
 */
export function chooseSettings(
  settings: readonly NamedKeys[],
  users: readonly TransferUser[],
  here: readonly IniSection[],
  isTaken: (file: ByteString, text: ByteString) => boolean,
): SettingChoice {
  const chosen: Setting[] = [];
  const problems: Problems[number][] = [];
  const warnings: string[] = [];
  const own = new Set(users.map((user) => user.name));
  // An account may have the name; the section would be for all users of this machine.
  own.delete("DEFAULT");
  const known = new Map(here.toReversed().map((section) => [section.name, section]));
  const seen = new Set<ByteString>();
  for (const setting of settings) {
    const { name, keys } = setting;
    const twice = seen.has(name);
    seen.add(name);
    const refuse = (message: string) => problems.push({ code: "bad-setting", path: name, message });
    const shown = `section [${display(name)}] of jk_chrootsh.ini`;
    const file = `${CONFIG_DIRECTORY}/jk_chrootsh.d/${dropInName(`/${name}`)}`;
    const mine = known.get(name);
    const made = dropInOf(setting, chrootshKeys, file);
    if (!own.has(name)) refuse(`${shown} is for none of the users in the file`);
    else if (twice) refuse(`${shown} is twice in the file`);
    else if ("problem" in made) refuse(made.problem);
    else if (mine !== undefined) {
      if (!sameKeys(knownKeys(mine, chrootshKeys).keys, keys))
        warnings.push(`${shown} differs on the two machines: that of this machine is used`);
    } else if (isTaken(file, made.text))
      refuse(`${quoted(file)} is there already, without the ${shown}: rename it`);
    else chosen.push({ name, file, text: made.text });
  }
  return { settings: chosen, problems, warnings };
}
