import { counted } from "../cli/display.ts";
import { printError } from "../cli/output.ts";
import type { Remedy } from "../cli/remedy.ts";
import type { Place } from "../config/model.ts";
import { nameOf } from "./change.ts";
import type { Comparison } from "./compare/compare.ts";
import { placeText } from "./place-of-fault.ts";
import type { AskFinding } from "./report-json.ts";

/** What the remedies write at places of a declaration, which are all given first. */
export type LinesAt = (places: readonly Place[]) => (place: Place) => Remedy | undefined;

/** The remedies that `findingAt` has, each once: several users may lack the same line. */
export function eachOnce(findingAt: AskFinding | undefined): ReturnType<LinesAt> {
  const told = new Set<Remedy>();
  return (place) => {
    const remedy = findingAt?.(place)?.remedy;
    return remedy === undefined || told.size === told.add(remedy).size ? undefined : remedy;
  };
}

/** Prints a line below an error, with the place of what it is about. */
export function printPlace(place: Place | undefined): void {
  if (place !== undefined) printError(`  declared in ${placeText(place)}`);
}

/** The end of the last line, where directories say something else of some users than is declared. */
export const otherwiseIn = (users: number): string =>
  users === 0 ? "" : `; the directory of ${counted(users, "user")} says something else`;

/** The warnings of a comparison, with those about users whom their directory keeps out of their jail. */
export const warningLines = ({ warnings, jails }: Pick<Comparison, "warnings" | "jails">): string[] => [
  ...warnings.map((one) => `${nameOf(one)}: ${one.message}`),
  ...jails.flatMap(({ users }) =>
    users.flatMap(({ declared: { name }, fault, misplaced }) =>
      fault !== undefined || misplaced === undefined ? [] : `${nameOf({ of: "user", name })}: ${misplaced}`,
    ),
  ),
];
