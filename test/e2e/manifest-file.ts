import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine } from "../machine/machine.ts";

/** What a test looks at in a manifest. */
export interface ManifestFile {
  jail: { path: string; ino: number };
  requests: { tool: string; sections: string[]; operands: string[]; options: Record<string, unknown> }[];
  entries: ({ path: string; sections: string[] } & Record<string, unknown>)[];
}

/** The manifest of a jail of the machine. */
export function openManifestFile(machine: Machine, jail: ByteString): ManifestFile {
  const base = "/var/lib/jailkit/jails";
  for (const id of machine.list(base)) {
    const value = JSON.parse(machine.read(`${base}/${id}/manifest.json`));
    if (value.jail.path === jail) return value;
  }
  throw new Error(`${jail}: no manifest`);
}
