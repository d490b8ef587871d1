import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine } from "../machine/machine.ts";

/** What a test looks at in a manifest. */
export interface ManifestFile {
  jail: { path: string; ino: number };
  requests: { tool: string; sections: string[]; operands: string[]; options: Record<string, unknown> }[];
  entries: ({ path: string; sections: string[] } & Record<string, unknown>)[];
}

/** The path of the manifest of a jail of the machine. */
export function manifestPathOf(machine: Machine, jail: ByteString): ByteString {
  const base = "/var/lib/jailkit/jails";
  for (const id of machine.list(base)) {
    const path = `${base}/${id}/manifest.json`;
    if (JSON.parse(machine.read(path)).jail.path === jail) return path;
  }
  throw new Error(`${jail}: no manifest`);
}

/** The manifest of a jail of the machine. */
export const openManifestFile = (machine: Machine, jail: ByteString): ManifestFile =>
  JSON.parse(machine.read(manifestPathOf(machine, jail)));
