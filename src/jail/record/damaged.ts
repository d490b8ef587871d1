import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { freeNumbered } from "../../system/free-name.ts";
import { isIn, lookUp, withTree } from "../fs/look.ts";
import { renameNew } from "../fs/place.ts";
import { isDirectory, type JailRoot, withDirectory } from "../fs/walk.ts";
import { RecordError } from "./record-file.ts";
import { contentOf, identityOf, REGISTRY, readRegistry } from "./registry.ts";

/** A damaged record of a jail, and the unused name beside it that it gets when a new record is created. */
export interface SetAside {
  readonly error: RecordError;
  readonly keptAs: ByteString;
}

/** The damaged records of a jail: those of its path, and one whose first line shows its path or its inode. */
export function damagedRecordsOf(root: JailRoot, registry: ByteString = REGISTRY): SetAside[] {
  const { jails, damaged } = readRegistry([root.path], registry);
  const { ino, devMajor, devMinor } = identityOf(root);
  const errors = damaged.flatMap(({ error }) => (error.jail === root.path ? error : []));
  return withTree((tree) => {
    for (const { id, jail } of jails) {
      const same = jail.ino === ino && jail.devMajor === devMajor && jail.devMinor === devMinor;
      if (jail.path !== root.path && !same) continue;
      try {
        contentOf(tree, registry, id, root.path);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        errors.push(error);
      }
    }
    return errors.map((error) => ({ error, keptAs: freeNumbered(`${error.file}.damaged`, isIn(tree)) }));
  });
}

/** Renames damaged records, so that a new one can be created. */
export function setAside(records: readonly SetAside[]): void {
  withTree((tree) => {
    for (const { error, keptAs } of records) {
      const { file } = error;
      const found = lookUp(tree, file);
      if (found === undefined) continue;
      withDirectory(tree, directoryOf(file), (directory) =>
        renameNew(directory, baseName(file), directory, baseName(keptAs), isDirectory(found.stat)),
      );
    }
  });
}
