//! The plugin of every toolchain, in Zig on the C bindings.

const std = @import("std");

const c = struct {
    const String = extern struct { ptr: [*]u8, len: usize };
    const Field = extern struct { name: String, value: String };
    const Fields = extern struct { ptr: [*]Field, len: usize };
    const Failure = extern struct { kind: String, message: String, frames: Fields, causes: Fields };
    const Entry = extern struct {
        level: u8,
        message: String,
        target: String,
        fields: Fields,
        has_failure: bool = false,
        failure: Failure = undefined,
    };
    const OptionString = extern struct { is_some: bool, val: String };
    const Order = extern struct { id: String, price: u64, priority: u8, coupon: OptionString };
    const Orders = extern struct { ptr: [*]Order, len: usize };
    const Discount = extern struct { tag: u8, val: extern union { percent: u32, voucher: u64 } };

    extern fn jobcontrol_plugin_log_write(entry: *Entry) void;
};

const info = 1;
const percent = 1;
const voucher = 2;
const memory = std.heap.c_allocator;

fn print(comptime format: []const u8, values: anytype) c.String {
    const text = std.fmt.allocPrint(memory, format, values) catch @panic("out of memory");
    return .{ .ptr = text.ptr, .len = text.len };
}

export fn exports_shop_greet(name: *c.String, times: u32, ret: *c.String) void {
    const whom = name.ptr[0..name.len];
    var fields = [_]c.Field{.{ .name = print("times", .{}), .value = print("{d}", .{times}) }};
    var entry = c.Entry{
        .level = info,
        .message = print("greeting {s}", .{whom}),
        .target = print("shop", .{}),
        .fields = .{ .ptr = &fields, .len = fields.len },
    };
    c.jobcontrol_plugin_log_write(&entry);
    ret.* = print("", .{});
    for (0..times) |i| {
        ret.* = print("{s}{s}Hello, {s}!", .{ ret.ptr[0..ret.len], if (i == 0) "" else " ", whom });
    }
}

export fn exports_shop_dearest(orders: *c.Orders, among: ?*u8, ret: *c.Order) bool {
    var found = false;
    for (orders.ptr[0..orders.len]) |order| {
        if (among) |priority| if (order.priority != priority.*) continue;
        if (!found or order.price > ret.price) ret.* = order;
        found = true;
    }
    return found;
}

export fn exports_shop_discounted(order: *c.Order, discount: *c.Discount, ret: *u64, err: *c.String) bool {
    const off: u64 = switch (discount.tag) {
        percent => order.price * discount.val.percent / 100,
        voucher => discount.val.voucher,
        else => 0,
    };
    if (off <= order.price) {
        ret.* = order.price - off;
        return true;
    }
    err.* = print("{s} costs {d} and {d} is taken off", .{ order.id.ptr[0..order.id.len], order.price, off });
    return false;
}
