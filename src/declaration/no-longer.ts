import { type Change, changeText } from "./change.ts";

/**
 * The lines that tell what was declared once, and is still there. What a user still has, such as a key that lets somebody in,
 * has a line of its own. Pure.
 */
export function noLongerLines(changes: readonly Change[]): string[] {
  const { user = [], jail = [] } = Object.groupBy(changes, ({ of }) => of);
  const [first, ...more] = jail.map(changeText);
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return [...user.map(changeText), ...(first === undefined ? [] : [first + others])].map(
    (what) => `no longer declared, and still there: ${what}; --prune removes this`,
  );
}
