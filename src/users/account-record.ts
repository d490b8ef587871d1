import type { ByteString } from "../../ffi/bytes.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import {
  type ManifestRequest,
  openManifest,
  recordRequest,
  removeRequests,
  saveManifest,
} from "../jail/record/manifest.ts";
import type { PasswdEntry } from "../system/accounts.ts";

/** Selects the requests about an account; jailing one records where it came from. */
const isAbout =
  (name: ByteString) =>
  ({ tool, operands }: ManifestRequest) =>
    tool === "jk_jailuser" && operands[0] === name;

/** Records the uid, home and shell of an account before it is jailed, and the requested shell in the jail. Throws JailkitError. */
export function rememberAccount(
  root: JailRoot,
  { name, uid, home, shell }: Pick<PasswdEntry, "name" | "uid" | "home" | "shell">,
  jailShell?: ByteString,
): void {
  const manifest = openManifest(root);
  removeRequests(manifest, isAbout(name));
  recordRequest(manifest, {
    tool: "jk_jailuser",
    sections: [],
    operands: [name],
    options: {
      "previous-home": home,
      "previous-shell": shell,
      uid: `${uid}`,
      ...(jailShell === undefined ? {} : { shell: jailShell }),
    },
    time: Math.floor(Date.now() / 1000),
  });
  saveManifest(manifest);
}

/** Removes the account from the record. Throws JailkitError. */
export function forgetAccount(root: JailRoot, name: ByteString): void {
  const manifest = openManifest(root);
  removeRequests(manifest, isAbout(name));
  saveManifest(manifest);
}

const text = (value: unknown) => (typeof value === "string" ? value : undefined);

/** The name, uid, home and shell of an account before it was jailed, and its shell in the jail; undefined if it is not in the record. */
export function recallFrom(requests: readonly ManifestRequest[], name: ByteString) {
  const options = requests.find(isAbout(name))?.options;
  if (options === undefined) return undefined;
  const home = text(options["previous-home"]);
  const uid = text(options.uid);
  const shell = text(options["previous-shell"]);
  return {
    name,
    uid: uid === undefined ? undefined : Number(uid),
    home,
    shell,
    jailShell: text(options.shell),
  };
}

/** The same from the record of an open jail. */
export const recall = (root: JailRoot, name: ByteString) =>
  recallFrom(openManifest(root).content.requests, name);

/**
 * The same of an account that is known to have had the name `before`, if any, when it was jailed: somebody may have given that name,
 * and the record of its own name, to another account since, which has another uid.
 */
export function recallRenamed(
  root: JailRoot,
  { name, uid }: Pick<PasswdEntry, "name" | "uid">,
  before: ByteString | undefined,
): ReturnType<typeof recallFrom> {
  if (before === undefined) return recall(root, name);
  const { requests } = openManifest(root).content;
  return [name, before].map((one) => recallFrom(requests, one)).find((found) => found?.uid === uid);
}

/** The same for any number of accounts: reads the record once. Throws JailkitError. */
export const recallAll = (root: JailRoot): ReturnType<typeof recallAmong> =>
  recallAmong(openManifest(root).content.requests);

/** The same from the requests of a record. */
export function recallAmong(
  requests: readonly ManifestRequest[],
): (name: ByteString) => ReturnType<typeof recallFrom> {
  const byName = Map.groupBy(requests, ({ operands }) => operands[0]);
  return (name) => recallFrom(byName.get(name) ?? [], name);
}
