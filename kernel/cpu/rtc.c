/* SPDX-License-Identifier: MIT */
/* The battery-backed clock in CMOS, read once at boot. It is taken to run on UTC. */
#include "acpi.h"
#include "apic.h"
#include "printk.h"

enum {
	RTC_SEC = 0,
	RTC_MIN = 2,
	RTC_HOUR = 4,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_A = 10,
	RTC_B = 11,
	A_UPDATING = 0x80,
	B_24H = 2,
	B_BINARY = 4,
	HOUR_PM = 0x80,
};

enum { SEC, MIN_, HOUR, DAY, MONTH, YEAR, CENTURY, FIELDS };

static uint8_t cmos_read(unsigned reg)
{
	outb(0x70, (uint8_t)(reg | 0x80)); /* bit 7 keeps NMIs away from the pair of accesses */
	uint8_t v = inb(0x71);
	outb(0x70, 0x0d);
	return v;
}

static void read_fields(uint8_t f[FIELDS])
{
	static const uint8_t reg[] = {RTC_SEC, RTC_MIN, RTC_HOUR, RTC_DAY, RTC_MONTH, RTC_YEAR};
	for (unsigned i = 0; i < ARRAY_SIZE(reg); i++)
		f[i] = cmos_read(reg[i]);
	f[CENTURY] = acpi.century != 0 ? cmos_read(acpi.century & 0x7f) : 0;
}

static unsigned from_bcd(unsigned v)
{
	return (v >> 4) * 10 + (v & 15);
}

/* Days from 1970-01-01 of a Gregorian date; years begin in March, so that the leap day is last. */
static uint64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
	if (month <= 2)
		year--;
	unsigned month_from_march = (month + 9) % 12;
	uint64_t days = 365UL * year + year / 4 - year / 100 + year / 400;
	days += (153 * month_from_march + 2) / 5 + day - 1;
	return days - 719468; /* 0000-03-01 to 1970-01-01 */
}

uint64_t rtc_read(void)
{
	uint8_t f[FIELDS], again[FIELDS];
	bool stable = false;
	/* An update takes 2 ms and must not be straddled: two equal readings outside of one. */
	for (unsigned tries = 0; tries < 200 && !stable; tries++) {
		if (cmos_read(RTC_A) & A_UPDATING) {
			delay_us(100);
			continue;
		}
		read_fields(f);
		read_fields(again);
		stable = memcmp(f, again, sizeof(f)) == 0 && !(cmos_read(RTC_A) & A_UPDATING);
	}
	uint8_t mode = cmos_read(RTC_B);
	unsigned v[FIELDS];
	if (stable) {
		bool pm = f[HOUR] & HOUR_PM;
		if (!(mode & B_24H))
			f[HOUR] &= 0x7f;
		for (unsigned i = 0; i < FIELDS; i++)
			v[i] = mode & B_BINARY ? f[i] : from_bcd(f[i]);
		if (!(mode & B_24H))
			v[HOUR] = v[HOUR] % 12 + (pm ? 12 : 0);
		unsigned century = v[CENTURY] >= 19 && v[CENTURY] <= 99 ? v[CENTURY] : 20;
		v[YEAR] += 100 * century;
		stable = v[SEC] < 60 && v[MIN_] < 60 && v[HOUR] < 24 && v[DAY] >= 1 &&
			 v[DAY] <= 31 && v[MONTH] >= 1 && v[MONTH] <= 12 && v[YEAR] >= 1970;
	}
	if (!stable) {
		printk("rtc: no battery-backed clock, time starts at 1970\n");
		return 0;
	}
	return days_since_epoch(v[YEAR], v[MONTH], v[DAY]) * 86400 + v[HOUR] * 3600 + v[MIN_] * 60 +
	       v[SEC];
}
