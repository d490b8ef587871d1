import type { ByteString } from "../../ffi/bytes.ts";
import { plainPath } from "../../ffi/paths.ts";
import { readKeys } from "../config/keys.ts";
import type { IniFile, IniSection } from "../config/model.ts";
import { checkKeys } from "../config/schemas/check.ts";

/** True if a path of the host is in a list, or below a path of it. */
export type PathTest = (path: ByteString) => boolean;

/** The exclusions of jk_check.ini for a jail, and the section that they come from. */
export type JailSettings = Readonly<ReturnType<typeof jailSettings>["settings"]>;

/** A test for the paths of a list and all below them, by component: /j/home does not cover /j/homework. */
export function pathTest(list: readonly ByteString[]): PathTest {
  const plain = list.map(plainPath);
  return (path) => plain.some((prefix) => path === prefix || prefix === "/" || path.startsWith(`${prefix}/`));
}

/** The settings of a section of jk_check.ini, or those without a section. */
export function jailSettings(section: IniSection | undefined) {
  const { problems, ...values } = readKeys(section, checkKeys);
  return {
    problems,
    settings: {
      everywhere: pathTest(values.ignorepatheverywhere),
      compare: pathTest(values.ignorepathoncompare),
      writableForGroup: pathTest(values.ignorewritableforgroup),
      writableForOthers: pathTest(values.ignorewritableforothers),
      setuidForUser: pathTest(values.ignoresetuidexecuteforuser),
      setuidForGroup: pathTest(values.ignoresetuidexecuteforgroup),
      setuidForOthers: pathTest(values.ignoresetuidexecuteforothers),
      section,
    },
  };
}

/** The section of a jail, however its name is written. */
export function sectionOf(ini: IniFile | undefined, jail: ByteString): IniSection | undefined {
  return ini?.sections.find(({ name }) => plainPath(name) === jail);
}
