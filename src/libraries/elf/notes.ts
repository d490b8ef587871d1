import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import type { ElfImage } from "./header.ts";

/** One entry of a .note.dlopen: alternative libraries for one purpose; the first that exists is opened. */
export interface DlopenNote {
  sonames: ByteString[];
  feature: ByteString;
  priority: "required" | "recommended" | "suggested";
}

const PT_NOTE = 4;
const FDO_DLOPEN = 0x407c0c0a;
const LARGEST_NOTES = 1 << 16;
const MOST_ENTRIES = 256;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseEntries(text: ByteString): DlopenNote[] {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(entries)) return [];
  return entries.slice(0, MOST_ENTRIES).flatMap((entry: unknown): DlopenNote[] => {
    if (!isRecord(entry) || !Array.isArray(entry.soname)) return [];
    const { soname, priority, feature } = entry;
    const sonames = soname.filter((name) => typeof name === "string" && /^[^\0/]{1,255}$/.test(name));
    const known = priority === "required" || priority === "suggested" ? priority : "recommended";
    return [{ sonames, feature: typeof feature === "string" ? feature : "", priority: known }];
  });
}

/**
 * The libraries that a file may dlopen(3) by its own list, see the "ELF dlopen metadata" specification: notes of owner
 * "FDO" and type 0x407c0c0a with a JSON array. Notes that cannot be read are skipped.
 */
export function readDlopenNotes(image: ElfImage): DlopenNote[] {
  const { reader } = image;
  const found: DlopenNote[] = [];
  for (const segment of image.segments) {
    if (segment.type !== PT_NOTE || segment.size > LARGEST_NOTES) continue;
    if (segment.offset + segment.size > reader.size) continue;
    const bytes = Buffer.from(reader.bytes(segment.offset, segment.size, "a note"));
    for (let at = 0; at + 12 <= bytes.length; ) {
      const nameSize = image.number(bytes, at, 4);
      const size = image.number(bytes, at + 4, 4);
      const name = at + 12;
      // Names and contents are padded to 4 bytes. Property notes are padded to 8, but have a segment of their own.
      const content = name + Math.ceil(nameSize / 4) * 4;
      if (content + size > bytes.length) break;
      const type = image.number(bytes, at + 8, 4);
      if (type === FDO_DLOPEN && fromBytes(bytes, name, name + nameSize) === "FDO\0") {
        // A regular expression would be slow on many zeros, which a user may write.
        let end = content + size;
        while (end > content && bytes[end - 1] === 0) end--;
        found.push(...parseEntries(fromBytes(bytes, content, end)));
        if (found.length > MOST_ENTRIES) return found.slice(0, MOST_ENTRIES);
      }
      at = content + Math.ceil(size / 4) * 4;
    }
  }
  return found;
}
