"""The plugin of every toolchain, in Python."""

import wit_world
from componentize_py_types import Err
from wit_world.imports import log
from wit_world.imports.example_shop_types import Discount_Percent
from wit_world.imports.example_shop_types import Discount_Voucher
from wit_world.imports.jobcontrol_plugin_types import Level


class WitWorld(wit_world.WitWorld):
    def greet(self, name, times):
        log.write(log.Entry(Level.INFO, f"greeting {name}", "shop", [("times", str(times))], None))
        return " ".join([f"Hello, {name}!"] * times)

    def dearest(self, orders, among):
        wanted = [order for order in orders if among is None or order.priority == among]
        return max(wanted, key=lambda order: order.price, default=None)

    def discounted(self, order, discount):
        match discount:
            case Discount_Percent(percent):
                off = order.price * percent // 100
            case Discount_Voucher(cents):
                off = cents
            case _:
                off = 0
        if off > order.price:
            raise Err(f"{order.id} costs {order.price} and {off} is taken off")
        return order.price - off
