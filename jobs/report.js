// The last job of the sales graph: a script. Its types stand in comments, so the whole graph is checked before it runs.

/**
 * @typedef {"north" | "south" | "east" | "west"} Region
 *
 * @typedef {Object} RegionTotal
 * @property {Region | null} region
 * @property {u32} orders
 * @property {s64} total
 *
 * @typedef {Object} CustomerTotal
 * @property {string} customer
 * @property {u32} orders
 * @property {s64} total
 *
 * @typedef {Object} Summary
 * @property {[string, string]} period
 * @property {u32} orders
 * @property {s64} total in cents
 * @property {s64} median in cents
 * @property {u32} withCoupon
 * @property {RegionTotal[]} regions the greatest total first
 * @property {CustomerTotal[]} customers the greatest total first
 */

const WIDTH = 64;
const LONGEST_BAR = 20;

/**
 * The summary as a page of text.
 * @param {Summary} summary
 * @param {string} [title]
 * @returns {string}
 */
export function report(summary, title = 'Sales report') {
  const [first, last] = summary.period;
  const total = Number(summary.total);
  const longest = Math.max(0, ...summary.regions.map((region) => Number(region.total)));
  const lines = [
    title,
    '='.repeat(Math.min(title.length, WIDTH)),
    '',
    `${first} to ${last}`,
    `${grouped(summary.orders)} orders, ${grouped(summary.withCoupon)} with a coupon`,
    `${money(summary.total)} EUR in all, median ${money(summary.median)}`,
    '',
    row('Region', 8, 'Orders', 'EUR') + 'Share'.padStart(8),
  ];
  for (const region of summary.regions) {
    const share = total === 0 ? 0 : (Number(region.total) * 100) / total;
    const cells = row(region.region ?? '(none)', 8, grouped(region.orders), money(region.total));
    lines.push(`${cells}${share.toFixed(1).padStart(7)}%  ${bar(Number(region.total), longest)}`.trimEnd());
  }
  lines.push('', row('Best customers', 26, 'Orders', 'EUR'));
  summary.customers.forEach((customer, at) => {
    const place = `${at + 1}`.padStart(3);
    lines.push(row(`${place}. ${customer.customer}`, 26, grouped(customer.orders), money(customer.total)));
  });
  lines.push('');
  console.log('wrote the report:', lines.length, 'lines');
  return lines.join('\n');
}

const row = (name, width, orders, euros) => name.padEnd(width) + orders.padStart(8) + euros.padStart(15);

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ',');

function money(cents) {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${grouped(digits.slice(0, -2))}.${digits.slice(-2)}`;
}

// The longest bar stands for the greatest amount; no sale is so small that it shows nothing.
function bar(amount, longest) {
  if (amount <= 0 || longest <= 0) return '';
  return '█'.repeat(Math.max(1, Math.round((amount / longest) * LONGEST_BAR)));
}
