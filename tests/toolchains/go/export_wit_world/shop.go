// Package export_wit_world is the plugin of every toolchain, in Go. The bindings want the package's name.
package export_wit_world

import (
	"fmt"
	"strings"

	types "go.bytecodealliance.org/pkg/wit/types"

	shop "wit_component/example_shop_types"
	log "wit_component/jobcontrol_plugin_log"
	plugin "wit_component/jobcontrol_plugin_types"
)

// Greet greets somebody so many times, and logs whom.
func Greet(name string, times uint32) string {
	log.Write(log.Entry{
		Level:   plugin.Level_Info,
		Message: "greeting " + name,
		Target:  "shop",
		Fields:  []types.Tuple2[string, string]{{F0: "times", F1: fmt.Sprint(times)}},
		Failure: types.None[plugin.Failure](),
	})
	return strings.TrimSuffix(strings.Repeat(fmt.Sprintf("Hello, %s! ", name), int(times)), " ")
}

// Dearest gives the dearest order, of one priority if it is given.
func Dearest(orders []shop.Order, among types.Option[shop.Priority]) types.Option[shop.Order] {
	dearest := types.None[shop.Order]()
	for _, order := range orders {
		if among.IsSome() && order.Priority != among.Some() {
			continue
		}
		if dearest.IsNone() || order.Price > dearest.Some().Price {
			dearest = types.Some(order)
		}
	}
	return dearest
}

// Discounted tells what an order costs in the end; an error if more is taken off than it costs.
func Discounted(order shop.Order, discount shop.Discount) types.Result[uint64, string] {
	var off uint64
	switch discount.Tag() {
	case shop.Discount_Percent:
		off = order.Price * uint64(discount.Percent()) / 100
	case shop.Discount_Voucher:
		off = discount.Voucher()
	}
	if off > order.Price {
		return types.Err[uint64](fmt.Sprintf("%s costs %d and %d is taken off", order.Id, order.Price, off))
	}
	return types.Ok[uint64, string](order.Price - off)
}
