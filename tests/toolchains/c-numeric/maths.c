// Plain numbers, and nothing that says so: no WIT, no library.

__attribute__((export_name("percent_of")))
unsigned percent_of(unsigned price, unsigned percent) { return price * percent / 100; }

__attribute__((export_name("mean")))
double mean(double a, double b) { return (a + b) / 2; }

__attribute__((export_name("largest")))
long long largest(long long a, long long b) { return a > b ? a : b; }
