// The plugin of every toolchain, in C++ on the C bindings.

#include <algorithm>
#include <string>
#include <vector>

#include "shop.h"

static std::string text_of(const shop_string_t &string) {
  return {reinterpret_cast<const char *>(string.ptr), string.len};
}

static void log_greeting(const std::string &name, uint32_t times) {
  const std::string message = "greeting " + name, number = std::to_string(times);
  shop_tuple2_string_string_t field;
  shop_string_set(&field.f0, "times");
  shop_string_set(&field.f1, number.c_str());
  jobcontrol_plugin_log_entry_t entry{};
  entry.level = JOBCONTROL_PLUGIN_TYPES_LEVEL_INFO;
  shop_string_set(&entry.message, message.c_str());
  shop_string_set(&entry.target, "shop");
  entry.fields = {&field, 1};
  jobcontrol_plugin_log_write(&entry);
}

void exports_shop_greet(shop_string_t *name, uint32_t times, shop_string_t *ret) {
  log_greeting(text_of(*name), times);
  std::string text;
  for (uint32_t i = 0; i < times; i++) text += (i ? " Hello, " : "Hello, ") + text_of(*name) + "!";
  shop_string_dup(ret, text.c_str());
}

bool exports_shop_dearest(shop_list_order_t *orders, shop_priority_t *among, shop_order_t *ret) {
  std::vector<shop_order_t> wanted;
  std::copy_if(orders->ptr, orders->ptr + orders->len, std::back_inserter(wanted),
               [among](const auto &order) { return !among || order.priority == *among; });
  const auto dearest = std::max_element(wanted.begin(), wanted.end(),
                                        [](const auto &a, const auto &b) { return a.price < b.price; });
  if (dearest == wanted.end()) return false;
  *ret = *dearest;
  return true;
}

bool exports_shop_discounted(shop_order_t *order, shop_discount_t *discount, uint64_t *ret, shop_string_t *err) {
  uint64_t off = 0;
  if (discount->tag == EXAMPLE_SHOP_TYPES_DISCOUNT_PERCENT) off = order->price * discount->val.percent / 100;
  if (discount->tag == EXAMPLE_SHOP_TYPES_DISCOUNT_VOUCHER) off = discount->val.voucher;
  if (off <= order->price) {
    *ret = order->price - off;
    return true;
  }
  const std::string text = text_of(order->id) + " costs " + std::to_string(order->price) + " and " +
                           std::to_string(off) + " is taken off";
  shop_string_dup(err, text.c_str());
  return false;
}
