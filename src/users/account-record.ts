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

/** The home and shell of an account before it was jailed. */
export interface Before {
  home: ByteString | undefined;
  shell: ByteString | undefined;
}

/** Selects the requests about an account; jailing one records where it came from. */
const isAbout = (name: ByteString) => (request: { tool: ByteString; operands: ByteString[] }) =>
  request.tool === "jk_jailuser" && request.operands[0] === name;

/**
 * Records in the jail's manifest the home and shell of an account before it is jailed, for --unjail, and the requested
 * shell in the jail, if any. Throws JailkitError.
 */
export function rememberAccount(
  root: JailRoot,
  { name, home, shell }: Pick<PasswdEntry, "name" | "home" | "shell">,
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

/** The home and shell of an account before it was jailed; undefined if nothing was recorded. */
export function recall(root: JailRoot, name: ByteString): Before | undefined {
  return beforeIn(openManifest(root).content.requests, name);
}

const text = (value: unknown) => (typeof value === "string" ? value : undefined);

/** The same from the requests of a record. */
export function beforeIn(requests: readonly ManifestRequest[], name: ByteString): Before | undefined {
  const request = requests.find(isAbout(name));
  if (request === undefined) return undefined;
  const { options } = request;
  return { home: text(options["previous-home"]), shell: text(options["previous-shell"]) };
}

/** The recorded shell of an account in a jail, if any. */
export function recordedShell(root: JailRoot, name: ByteString): ByteString | undefined {
  return text(openManifest(root).content.requests.find(isAbout(name))?.options.shell);
}
