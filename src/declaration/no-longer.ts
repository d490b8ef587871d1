import { andMore } from "../cli/display.ts";
import { type Change, changeText } from "./change.ts";

/**
 * The lines that tell what was declared once, and is still there. What a user still has, such as a key that lets somebody in,
 * has a line of its own. Pure.
 */
export function noLongerLines(changes: readonly Change[]): string[] {
  const { user = [], jail = [] } = Object.groupBy(changes, ({ of }) => of);
  const [first, ...more] = jail.map(changeText);
  const lines = [...user.map(changeText), ...(first === undefined ? [] : [first + andMore(more.length)])];
  const isWhole = jail.some(({ what }) => what === "jail");
  return lines.map((what, index) => {
    // No run looks for them before it is to remove the jail.
    const unless = isWhole && index === user.length ? ", unless users have files in it" : "";
    return `no longer declared, and still there: ${what}; --prune removes this${unless}`;
  });
}
