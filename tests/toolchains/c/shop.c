// The plugin of every toolchain, in C. What is allocated here is freed by the bindings once the host has read it.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop.h"

static void log_greeting(const char *name, uint32_t times) {
  char message[128], number[16];
  snprintf(message, sizeof message, "greeting %s", name);
  snprintf(number, sizeof number, "%" PRIu32, times);
  shop_tuple2_string_string_t field;
  shop_string_set(&field.f0, "times");
  shop_string_set(&field.f1, number);
  jobcontrol_plugin_log_entry_t entry = {.level = JOBCONTROL_PLUGIN_TYPES_LEVEL_INFO};
  shop_string_set(&entry.message, message);
  shop_string_set(&entry.target, "shop");
  entry.fields.ptr = &field;
  entry.fields.len = 1;
  jobcontrol_plugin_log_write(&entry);
}

void exports_shop_greet(shop_string_t *name, uint32_t times, shop_string_t *ret) {
  char *copy = strndup((const char *)name->ptr, name->len);
  log_greeting(copy, times);
  char *text = malloc((name->len + 9) * times + 1), *end = text;
  *end = '\0';
  for (uint32_t i = 0; i < times; i++) end += sprintf(end, "%sHello, %s!", i ? " " : "", copy);
  shop_string_dup(ret, text);
}

bool exports_shop_dearest(shop_list_order_t *orders, shop_priority_t *among, shop_order_t *ret) {
  bool found = false;
  for (size_t i = 0; i < orders->len; i++) {
    shop_order_t *order = &orders->ptr[i];
    if (among && order->priority != *among) continue;
    if (!found || order->price > ret->price) *ret = *order;
    found = true;
  }
  return found;
}

bool exports_shop_discounted(shop_order_t *order, shop_discount_t *discount, uint64_t *ret, shop_string_t *err) {
  uint64_t off = 0;
  if (discount->tag == EXAMPLE_SHOP_TYPES_DISCOUNT_PERCENT) off = order->price * discount->val.percent / 100;
  if (discount->tag == EXAMPLE_SHOP_TYPES_DISCOUNT_VOUCHER) off = discount->val.voucher;
  if (off <= order->price) {
    *ret = order->price - off;
    return true;
  }
  char text[256];
  snprintf(text, sizeof text, "%.*s costs %" PRIu64 " and %" PRIu64 " is taken off", (int)order->id.len,
           (const char *)order->id.ptr, order->price, off);
  shop_string_dup(err, text);
  return false;
}
