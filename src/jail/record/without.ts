import { changeManifest, type Manifest, type ManifestContent } from "./manifest.ts";

/** What sections bring besides files, and a declaration may refuse. */
export const REFUSABLE = ["log-socket", "proc"] as const;
export type Refusable = (typeof REFUSABLE)[number];

/** True if a jail does without something, whatever its sections bring. */
export const isRefused = ({ without = [] }: ManifestContent, what: Refusable): boolean =>
  without.includes(what);

/** Records that a jail does without something; with `refused` false, that its sections bring it again. */
export function setRefused(manifest: Manifest, what: Refusable, refused: boolean): void {
  if (isRefused(manifest.content, what) === refused) return;
  changeManifest(manifest, (content) => {
    const others = (content.without ?? []).filter((one) => one !== what);
    const without = refused ? [...others, what] : others;
    content.without = without.length === 0 ? undefined : without;
  });
}
