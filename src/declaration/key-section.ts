import type { ByteString } from "../../ffi/bytes.ts";
import {
  type Fix,
  findEntry,
  type IniEntry,
  type IniSection,
  type Place,
  type Problem,
  valuePlace,
} from "../config/model.ts";
import { hasExpired } from "../system/sshd/authorized-keys.ts";
import {
  type BadLine,
  FOREIGN_END,
  foreignFormat,
  isPrivateKey,
  type KeyLine,
  readKeyLine,
} from "../users/key-lines.ts";
import { optionValues } from "../users/key-options.ts";
import { problemAt, withoutQuotes } from "./section.ts";

/** Whether what follows a key, its comment for sshd(8), is or has another key. */
function hasAnotherKey({ line, key }: KeyLine): boolean {
  const [, blob = ""] = key.split(" ");
  return /[ \t,;](?:sk-)?(?:ssh|ecdsa)-[\w@.-]+[ \t]+AAAA/.test(line.slice(line.indexOf(blob) + blob.length));
}

/** What writes what was meant in a line; the part has no characters of patterns but points. */
function meantFix(line: number, { meant }: BadLine): Fix {
  if (meant === undefined) return { kind: "none" };
  const [old, now] = [meant.old.replaceAll(".", "\\."), meant.now];
  return { kind: "strip", expression: `${line}s#\\([",!]\\)${old}\\([",]\\)#\\1${now}\\2#g` };
}

/** Lines without those of keys in formats of other programs, which say nothing alone, but for their first ones. */
function withoutForeign(lines: readonly ByteString[]): ByteString[] {
  let isInside = false;
  return lines.map((text) => {
    const isPart = isInside;
    isInside = isInside ? !FOREIGN_END.test(text) : foreignFormat(text) !== undefined;
    return isPart ? "" : text;
  });
}

function whyBad(text: ByteString, { problem }: BadLine): string {
  if (text.startsWith("/")) return "is the name of a file: write the key that is in it";
  if (withoutQuotes(text) !== undefined) return "there is no quoting: write the key without quotes";
  return foreignFormat(text) ?? problem;
}

/** The keys that a value of several lines holds; a wrong line is a problem at its place. */
export function readKeyLines(entry: IniEntry): { keys: KeyLine[]; places: Place[]; problems: Problem[] } {
  const keys = new Map<ByteString, KeyLine>();
  const places: Place[] = [];
  const problems: Problem[] = [];
  for (const [index, text] of withoutForeign(entry.value.split("\n")).entries()) {
    const found = readKeyLine(text);
    if (found === undefined) continue;
    const place = { ...(entry.pieces?.[index] ?? valuePlace(entry)), file: entry.file };
    if (isPrivateKey(text)) {
      const message =
        "'authorized_keys': is a private key, which only its user should have: write the public one";
      problems.push(problemAt(place, "bad-key", message, { kind: "none" }));
      // The problems of its other lines would show it.
      break;
    }
    if ("problem" in found) {
      const message = `'authorized_keys', line ${place.line}: ${whyBad(text, found)}`;
      problems.push(problemAt(place, "bad-key", message, meantFix(place.line, found)));
    } else if (hasAnotherKey(found)) {
      const message = `'authorized_keys', line ${place.line}: another key is in this line: write each in a line of its own, indented`;
      problems.push(problemAt(place, "bad-key", message, { kind: "none" }));
    } else if (keys.has(found.key)) {
      // With other options nobody else knows which ones are meant.
      const isSame = keys.get(found.key)?.options === found.options;
      const fix: Fix = isSame ? { kind: "strip", expression: `${place.line}s/^/#/` } : { kind: "none" };
      problems.push(problemAt(place, "bad-key", "'authorized_keys': this key is here twice", fix));
    } else {
      keys.set(found.key, found);
      places.push(place);
    }
  }
  return { keys: [...keys.values()], places, problems };
}

/** Where a section has keys that sshd(8) accepts no longer. */
export function expiredKeys(section: IniSection, now: Date): Place[] {
  const entry = findEntry(section, "authorized_keys");
  if (entry === undefined || !entry.value.includes("expiry-time")) return [];
  const { keys, places } = readKeyLines(entry);
  return places.filter((_, index) =>
    hasExpired(optionValues(keys[index]?.options ?? "", "expiry-time"), now),
  );
}
