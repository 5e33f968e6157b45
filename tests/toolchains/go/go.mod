module wit_component

go 1.27

require go.bytecodealliance.org/pkg v0.4.0

// The bindings' runtime, which build.sh puts here.
replace go.bytecodealliance.org/pkg => ./pkg
