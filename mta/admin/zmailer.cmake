zm_program(zmailer IN bin
  SOURCES zmailer.c daemons.c instance.c upkeep.c
  LINKS zm_conf zm_spool zm_platform zm::apr)
