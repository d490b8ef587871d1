import { afterEach, beforeEach, setSystemTime } from "bun:test";

const HOUR = 3_600_000;

/**
 * In each test of the file the clock is an hour ahead of that of the file system: who reads config files waits for those that
 * somebody is saving just now.
 */
export function savedLongAgo(): void {
  beforeEach(() => {
    setSystemTime(new Date(Date.now() + HOUR));
  });
  afterEach(() => {
    setSystemTime();
  });
}
