import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestRequest,
  openManifest,
  recordRequest,
  removeRequests,
  saveManifest,
} from "../jail/record/manifest.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { livesIn } from "../system/separator.ts";

/** The option with the name that an account had when it was jailed, if another account has that in the record by now. */
const FORMER = "former-name";

const isAccount = ({ tool }: ManifestRequest) => tool === "jk_jailuser";

/** Selects the requests about an account; jailing one records where it came from. */
const isAbout =
  (name: ByteString) =>
  (request: ManifestRequest): boolean =>
    isAccount(request) && request.operands[0] === name;

/** Records the uid, home and shell of an account before it is jailed, and the requested shell in the jail. Throws JailkitError. */
export function rememberAccount(
  root: JailRoot,
  { name, uid, home, shell }: Pick<PasswdEntry, "name" | "uid" | "home" | "shell">,
  jailShell?: ByteString,
): void {
  const manifest = openManifest(root);
  clearName(root, manifest, name);
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

/** Removes an account from the record: the one that is recorded under its name, or one as it was recalled. Throws JailkitError. */
export function forgetAccount(
  root: JailRoot,
  { name, uid, isFormer = false }: Pick<Recalled, "name"> & Partial<Recalled>,
): void {
  const manifest = openManifest(root);
  const isFormerOne = (request: ManifestRequest) =>
    isNamedOnce(request, name) && recalled(request).uid === uid;
  removeRequests(manifest, isFormer ? isFormerOne : isAbout(name));
  saveManifest(manifest);
}

/** Makes room in the record for a new account of a name: an earlier one had another life outside. Throws JailkitError. */
export function forgetName(root: JailRoot, name: ByteString): void {
  const manifest = openManifest(root);
  clearName(root, manifest, name);
  saveManifest(manifest);
}

/** The same of a record that is open: what it has of an account which is in the jail under another name stays. */
function clearName(root: JailRoot, manifest: Manifest, name: ByteString): void {
  const before = recallFrom(manifest.content.requests, name);
  if (before === undefined || !isRenamed(root, before)) {
    removeRequests(manifest, isAbout(name));
    return;
  }
  removeRequests(manifest, (request) => {
    const one = isAccount(request) ? recalled(request) : undefined;
    return one?.isFormer === true && !isRenamed(root, one);
  });
  changeManifest(manifest, ({ requests }) => {
    for (const one of requests.filter(isAbout(name)))
      Object.assign(one, { operands: [], options: { ...one.options, [FORMER]: name } });
  });
}

/** Whether an account of the record is in the jail under another name by now; true also while a name service is silent. */
export function isRenamed(root: JailRoot, { name, uid }: Pick<Recalled, "name" | "uid">): boolean {
  if (uid === undefined) return false;
  const found = answered(() => ({ owner: hostUser(uid) }));
  if (found === undefined) return true;
  const { owner } = found;
  return owner !== undefined && owner.name !== name && livesIn(root.path, owner.home);
}

const text = (value: unknown) => (typeof value === "string" ? value : undefined);

const isNamedOnce = (request: ManifestRequest, name: ByteString) =>
  isAccount(request) && request.options[FORMER] === name;

type Recalled = ReturnType<typeof recalled>;

/** The name, uid, home and shell of an account before it was jailed, and its shell in the jail. `isFormer`: another one has the name. */
function recalled({ operands, options }: ManifestRequest) {
  const uid = text(options.uid);
  const former = text(options[FORMER]);
  return {
    name: former ?? operands[0] ?? "",
    uid: uid === undefined ? undefined : Number(uid),
    isFormer: former !== undefined,
    home: text(options["previous-home"]),
    shell: text(options["previous-shell"]),
    jailShell: text(options.shell),
  };
}

/** An account as it is recorded under its name; undefined if it is not. */
export function recallFrom(requests: readonly ManifestRequest[], name: ByteString): Recalled | undefined {
  const request = requests.find(isAbout(name));
  return request && recalled(request);
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
): Recalled | undefined {
  if (before === undefined) return recall(root, name);
  const { requests } = openManifest(root).content;
  const isIts = (request: ManifestRequest) =>
    [name, before].some((one) => isAbout(one)(request) || isNamedOnce(request, one)) &&
    recalled(request).uid === uid;
  const request = requests.find(isIts);
  return request && recalled(request);
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
