/** A time of day in which a node lets itself be updated: "02:00-05:00", over midnight too. */

const FORM = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/;

/** `minuteOfDay` is local, 0 to 1,439. A window from a time to itself is the whole day. */
export function isInWindow(window: string, minuteOfDay: number): boolean {
  const match = FORM.exec(window);
  if (match === null) return false;
  const [from = 0, until = 0] = [minuteOf(match[1], match[2]), minuteOf(match[3], match[4])];
  if (from === until) return true;
  if (from < until) return minuteOfDay >= from && minuteOfDay < until;
  return minuteOfDay >= from || minuteOfDay < until;
}

function minuteOf(hours: string | undefined, minutes: string | undefined): number {
  return Number(hours) * 60 + Number(minutes);
}
