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

/** What an account had before it was jailed. */
export interface Before {
  home: ByteString | undefined;
  shell: ByteString | undefined;
}

/** Which account of the jail's recipe a request is about; jailing one records where it came from. */
const isAbout = (name: ByteString) => (request: { tool: ByteString; operands: ByteString[] }) =>
  request.tool === "jk_jailuser" && request.operands[0] === name;

/**
 * Records in the jail's manifest what the account has before it is jailed, for the way back, and the shell that it was
 * given in the jail, if any was asked for. Throws JailkitError.
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

/** Takes it out of the record again. Throws JailkitError. */
export function forgetAccount(root: JailRoot, name: ByteString): void {
  const manifest = openManifest(root);
  removeRequests(manifest, isAbout(name));
  saveManifest(manifest);
}

/** The home and the shell that an account had before it was jailed; undefined where nothing was recorded. */
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

/** The shell that an account was given in a jail, where that was recorded. */
export function recordedShell(root: JailRoot, name: ByteString): ByteString | undefined {
  return text(openManifest(root).content.requests.find(isAbout(name))?.options.shell);
}
