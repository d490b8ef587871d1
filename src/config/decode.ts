import * as ini from "ini";
import type { ByteString } from "../../ffi/bytes.ts";
import type { IniSection } from "./model.ts";

/**
 * The keys and values of a section. The scanner has found them; here they are quoted, so that `ini` decodes them
 * as they are: unquoted, it cuts values at `;` and `#` and takes a closing `[]` for an array.
 */
export function sectionValues(section: IniSection): Map<ByteString, ByteString> {
  const body = section.entries.map(({ key, value }) => `${JSON.stringify(key)}=${JSON.stringify(value)}`);
  const decoded: Record<string, unknown> = ini.decode(body.join("\n"), { bracketedArray: false });
  const values = new Map<ByteString, ByteString>();
  for (const { key } of section.entries) {
    const value = Object.hasOwn(decoded, key) ? decoded[key] : undefined;
    // `ini` makes true, false and null of the words; everything else is text.
    if (value !== undefined) values.set(key, String(value));
  }
  return values;
}
