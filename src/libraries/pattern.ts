import type { ByteString } from "../../ffi/bytes.ts";

const MAGIC = /[*?[]/;

/** True for a pattern: a path with `*`, `?` or `[`. */
export function hasMagic(path: ByteString): boolean {
  return MAGIC.test(path);
}

/** A test for the names that one component of a pattern matches. Its time is at most name length x pattern length. */
export function componentMatcher(part: ByteString): (name: ByteString) => boolean {
  const tokens = tokenize(part);
  // The fixed start of the pattern excludes most names.
  const prefix = /^[^*?[]*/.exec(part)?.[0] ?? "";
  const dotted = part.startsWith(".");
  return (name) => name.startsWith(prefix) && (dotted || !name.startsWith(".")) && matchTokens(tokens, name);
}

type Token = "star" | ((code: number) => boolean);

function tokenize(part: ByteString): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i);
    if (part[i] === "*") {
      if (tokens.at(-1) !== "star") tokens.push("star");
    } else if (part[i] === "?") tokens.push(() => true);
    else if (part[i] === "[") {
      const end = part.indexOf("]", part[i + 1] === "!" || part[i + 1] === "^" ? i + 3 : i + 2);
      if (end < 0) tokens.push((c) => c === code);
      else {
        tokens.push(bracket(part.slice(i + 1, end)));
        i = end;
      }
    } else tokens.push((c) => c === code);
  }
  return tokens;
}

function bracket(body: ByteString): (code: number) => boolean {
  const negated = body.startsWith("!") || body.startsWith("^");
  const set = negated ? body.slice(1) : body;
  const ranges: [number, number][] = [];
  for (let i = 0; i < set.length; i++) {
    const from = set.charCodeAt(i);
    if (set[i + 1] === "-" && i + 2 < set.length) {
      ranges.push([from, set.charCodeAt(i + 2)]);
      i += 2;
    } else ranges.push([from, from]);
  }
  return (code) => ranges.some(([low, high]) => code >= low && code <= high) !== negated;
}

// On a mismatch only the last star is tried again, one byte further: earlier stars need no backtracking.
function matchTokens(tokens: readonly Token[], name: ByteString): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const current = tokens[token];
    if (current === "star") {
      star = token++;
      starAt = at;
    } else if (current?.(name.charCodeAt(at))) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (tokens[token] === "star") token++;
  return token === tokens.length;
}
