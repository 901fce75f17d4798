module _

go 1.26.2

require github.com/aptible/supercronic v0.2.45
