// The plugin of every toolchain, in JavaScript.

import { write } from 'jobcontrol:plugin/log@0.1.0';

export function greet(name, times) {
  write({
    level: 'info',
    message: `greeting ${name}`,
    target: 'shop',
    fields: [['times', String(times)]],
    failure: null,
  });
  return Array(times).fill(`Hello, ${name}!`).join(' ');
}

export function dearest(orders, among) {
  const wanted = orders.filter((order) => among == null || order.priority === among);
  return wanted.reduce((best, order) => (best == null || order.price > best.price ? order : best), null);
}

export function discounted(order, discount) {
  let off = 0;
  if (discount.tag === 'percent') off = Math.floor((Number(order.price) * discount.val) / 100);
  if (discount.tag === 'voucher') off = Number(discount.val);
  if (off > order.price) throw `${order.id} costs ${order.price} and ${off} is taken off`;
  return Number(order.price) - off;
}
