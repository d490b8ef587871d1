import type { ByteString } from "../../../ffi/bytes.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";

/**
 * True for an interpreter that a script of a section brought into the jail, by its record. Plans now leave interpreters
 * out that do not work without a library; those that are in a jail already stay.
 */
export function broughtBefore(
  records: Iterable<ManifestEntry>,
): (path: ByteString, section: ByteString) => boolean {
  let brought: Set<string> | undefined;
  const read = () =>
    [...records]
      .filter(({ reason }) => reason === "script")
      .flatMap(({ source, sections }) => sections.map((section) => `${source}\0${section}`));
  return (path, section) => {
    brought ??= new Set(read());
    return brought.has(`${path}\0${section}`);
  };
}
