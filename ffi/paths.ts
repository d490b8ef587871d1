import type { ByteString } from "./bytes.ts";

/** The names in a path, from the left: without empty ones and `.`, and with `..` as it stands. */
export function pathComponents(path: ByteString): ByteString[] {
  const names: ByteString[] = [];
  for (const name of path.split("/")) if (name !== "" && name !== ".") names.push(name);
  return names;
}

/** The directory that an absolute path stands in; of the root directory, itself. */
export function directoryOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
