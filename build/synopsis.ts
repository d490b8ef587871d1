/** A word of a synopsis, or a group in square brackets. "...", "(", ")" and "|" are words. */
export type SynopsisPart = string | readonly SynopsisPart[];

/** The words and groups in a line of a synopsis. Throws if brackets do not match. */
export function readSynopsis(line: string): readonly SynopsisPart[] {
  const stack: SynopsisPart[][] = [[]];
  for (const [word] of line.matchAll(/[[\]()|]|\.\.\.|[^\s[\]().|]+/g)) {
    if (word === "[") stack.push([]);
    else if (word === "]") {
      const inner = stack.pop() ?? [];
      stack.at(-1)?.push(inner);
    } else stack.at(-1)?.push(word);
  }
  const [all] = stack;
  if (stack.length !== 1 || all === undefined) throw new Error(`brackets do not match in '${line}'`);
  return all;
}
